"""Two runs of one training, thing by thing: weights, losses, answers, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.rerun.answers import AnswerComparison, answers_of
from alpkd_pipeline.orchestration.rerun.losses import LossComparison, compare_losses
from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.reporting.store import SCORES
from alpkd_pipeline.runs.journal import read_journal
from alpkd_pipeline.runs.manifest import MANIFEST, read_json, read_manifest

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
    """

    stage: str
    weights: tuple[str, str]
    losses: LossComparison
    answers: tuple[AnswerComparison, ...]
    scores: Mapping[str, tuple[float | None, float | None]]

    @property
    def bitwise(self) -> bool:
        """Whether weights, losses, answers and scores are all the same."""
        return (
            self.weights[0] == self.weights[1]
            and self.losses.equal
            and all(answer.equal for answer in self.answers)
            and all(then == now for then, now in self.scores.values())
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

    Hashes of the original are those that it was sealed with.
    """
    before, after = scores_folder(then), scores_folder(now)
    return ModelComparison(
        stage=then.stage,
        weights=(weights_digest(then), weights_digest(now)),
        losses=compare_losses(read_journal(then.folder)[0], read_journal(now.folder)[0]),
        answers=(
            *answers_of("training", then.folder, now.folder),
            *answers_of("scores", before, after),
        ),
        scores=_scores((then, before), (now, after)),
    )


def weights_digest(run: StoredRun) -> str:
    """The sha256 of a model's weights; of several files, their digests joined."""
    files = run.manifest["files"]
    return " ".join(files[name]["sha256"] for name in sorted(files) if name.endswith(WEIGHTS))


def scores_folder(run: StoredRun) -> Path | None:
    """The newest dev scores that were made of a run."""
    found = []
    for folder in (run.store / SCORES[0] / run.task).glob(f"{run.folder.name}-*"):
        made_from = (read_manifest(folder) or {}).get("made_from") or {}
        if made_from.get(run.stage) == run.key:
            found.append(folder)
    return max(found, key=lambda folder: (folder / MANIFEST).stat().st_mtime_ns, default=None)


def _scores(
    *runs: tuple[StoredRun, Path | None],
) -> dict[str, tuple[float | None, float | None]]:
    then, now = (_flat_scores(run, folder) for run, folder in runs)
    task = runs[0][0].run["task"]
    first = f"{task['dev_splits'][0]}.{task['metrics'][0]}"
    names = sorted({*then, *now}, key=lambda name: (name != first, name))
    return {name: (then.get(name), now.get(name)) for name in names}


def _flat_scores(run: StoredRun, folder: Path | None) -> dict[str, float]:
    """The saved model's dev scores; before it was scored, those that chose it."""
    splits: Mapping[str, Any] = dict(run.metrics.get("scores") or {})
    if folder is not None:
        found = read_json(folder / "scores.json")["splits"]
        splits = {name: facts["scores"] or {} for name, facts in found.items()}
    return {
        f"{split}.{metric}": float(value)
        for split, scores in splits.items()
        for metric, value in scores.items()
    }
