"""Two runs of one training, thing by thing: weights, losses, answers, scores."""

from __future__ import annotations

from dataclasses import dataclass

from alpkd_pipeline.orchestration.rerun.answers import AnswerComparison, answers_of
from alpkd_pipeline.orchestration.rerun.losses import LossComparison, compare_losses
from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.orchestration.rerun.scores import Pairs, compare_scores, readable_scores
from alpkd_pipeline.runs.finished import DamagedError, FinishedFolder
from alpkd_pipeline.runs.journal import sealed_events

WEIGHTS = ".safetensors"


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """An original and its rerun.

    Attributes:
        stage: `teacher` or `student`.
        weights: the sha256 of the original's weights and of the rerun's.
        losses: what the journals say.
        answers: what the tables of answers say.
        scores: `<split>.<metric>` -> the original's score and the rerun's, the deciding one first.
        skipped: what of the scores the original does not have to compare; None if nothing.
        missing: what of them one of the two should have, which makes them unequal; None if nothing.
    """

    stage: str
    weights: tuple[str, str]
    losses: LossComparison
    answers: tuple[AnswerComparison, ...]
    scores: Pairs
    skipped: str | None = None
    missing: str | None = None

    @property
    def bitwise(self) -> bool:
        """Whether weights, losses, answers and scores are all the same."""
        return (
            self.weights[0] == self.weights[1]
            and self.losses.equal
            and all(answer.equal for answer in self.answers)
            and all(then == now for then, now in self.scores.values())
            and self.missing is None
        )

    @property
    def deciding(self) -> tuple[str, float | None, float | None]:
        """The deciding score: its name, then, now."""
        if not self.scores:
            return "score", None, None
        name = next(iter(self.scores))
        return name, *self.scores[name]


def compare_models(then: StoredRun, now: StoredRun) -> ModelComparison:
    """Compare all that two finished trainings have left.

    Hashes of the original are those that it was sealed with. What cannot be read is not equal.
    """
    scores, skipped, missing = compare_scores(then, now)
    return ModelComparison(
        stage=then.stage,
        weights=(weights_digest(then), weights_digest(now)),
        losses=_losses(then, now),
        answers=(
            *answers_of("training", FinishedFolder(then.folder), FinishedFolder(now.folder)),
            *answers_of("scores", readable_scores(then), readable_scores(now)),
        ),
        scores=scores,
        skipped=skipped,
        missing=missing,
    )


def _losses(then: StoredRun, now: StoredRun) -> LossComparison:
    try:
        theirs, ours = (sealed_events(FinishedFolder(run.folder)) for run in (then, now))
        return compare_losses(theirs, ours)
    except (DamagedError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return LossComparison(0, readable=False)


def weights_digest(run: StoredRun) -> str:
    """The sha256 of a model's weights; of several files, their digests joined."""
    files = run.manifest["files"]
    return " ".join(files[name]["sha256"] for name in sorted(files) if name.endswith(WEIGHTS))
