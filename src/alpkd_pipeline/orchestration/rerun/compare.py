"""Two runs of one training, thing by thing: weights, losses, answers, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.orchestration.rerun.rows import Pairs, compare_scores, readable_scores
from alpkd_pipeline.store.finished import DamagedError, FinishedFolder
from alpkd_pipeline.store.journal import sealed_events

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class LossComparison:
    """The losses that both journals tell.

    Attributes:
        steps: how many lines of steps the original has.
        first: the first step whose losses differ, or that only one of them has; None if all agree.
        then: the total loss of the original at that step.
        now: that of the rerun.
        largest: the largest difference of a total loss; 0 if all agree.
        rate_from: the first step whose learning rate differs.
        readable: whether both journals could be read.
    """

    steps: int
    first: int | None = None
    then: float | None = None
    now: float | None = None
    largest: float = 0.0
    rate_from: int | None = None
    readable: bool = True

    @property
    def equal(self) -> bool:
        """Whether every loss of every step is the same number."""
        return self.readable and self.first is None


def compare_losses(then: list[dict[str, Any]], now: list[dict[str, Any]]) -> LossComparison:
    """Compare the lines of steps of two journals, the raw and the weighted losses of each.

    Args:
        then: the original's events.
        now: the rerun's.
    """
    ours, theirs = _steps(now), _steps(then)
    shared = sorted(set(ours) & set(theirs))
    one_sided = set(ours) ^ set(theirs)
    other = [n for n in shared if any(ours[n].get(k) != theirs[n].get(k) for k in _LOSSES)]
    rates = [n for n in shared if ours[n].get("lr") != theirs[n].get("lr")]
    first = min([*other, *one_sided], default=None)
    return LossComparison(
        steps=len(theirs),
        first=first,
        then=None if first is None else _total(theirs.get(first)),
        now=None if first is None else _total(ours.get(first)),
        largest=max((_apart(ours[n], theirs[n]) for n in other), default=0.0),
        rate_from=min(rates, default=None),
    )


_LOSSES = ("loss", "weighted")


def _steps(events: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {int(event["step"]): event for event in events if event["event"] == "step"}


def _total(event: Mapping[str, Any] | None) -> float | None:
    value = (event or {}).get("loss", {}).get("total")
    return None if value is None else float(value)


def _apart(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
    then, now = _total(theirs), _total(ours)
    return 0.0 if then is None or now is None else abs(now - then)


@dataclass(frozen=True, slots=True)
class AnswerComparison:
    """The answers of both to the same examples.

    Attributes:
        name: the file, `training/dev` or `scores/dev`.
        rows: how many examples the original answered; None if one of them cannot be read.
        differing: examples that were answered differently.
        unequal: rows that are not the same text, probabilities included.
        same_examples: whether both answered the same examples, in the same order.
    """

    name: str
    rows: int | None
    differing: int = 0
    unequal: int = 0
    same_examples: bool = True

    @property
    def equal(self) -> bool:
        """Whether both files say the same."""
        return self.rows is not None and self.same_examples and not self.unequal


def answers_of(
    where: str, then: FinishedFolder | None, now: FinishedFolder | None
) -> list[AnswerComparison]:
    """Compare every table of answers that the original has.

    Args:
        where: what the tables are called, before their names.
        then: the original's folder, or None if there is none.
        now: the rerun's.
    """
    if then is None or now is None:
        return []
    return [
        compare_answers(f"{where}/{PurePath(file).stem}", then, now, file)
        for file in sorted(then.manifest["files"])
        if PurePath(file).match("predictions/*.csv")
    ]


def compare_answers(
    name: str, then: FinishedFolder, now: FinishedFolder, file: str
) -> AnswerComparison:
    """Compare two tables of answers.

    Args:
        name: what they are called.
        then: the original's folder.
        now: the rerun's.
        file: the table's name in both.
    """
    import pandas as pd

    try:
        before = pd.read_csv(BytesIO(then.read(file)), dtype=str)
        after = pd.read_csv(BytesIO(now.read(file)), dtype=str)
        return _compare_frames(name, before, after)
    except (DamagedError, OSError, ValueError, KeyError):
        return AnswerComparison(name, None)


def _compare_frames(name: str, then: pd.DataFrame, now: pd.DataFrame) -> AnswerComparison:
    if not then[["idx", "label"]].equals(now[["idx", "label"]]) or list(then) != list(now):
        return AnswerComparison(name, len(then), same_examples=False)
    return AnswerComparison(
        name,
        len(then),
        differing=int((then["prediction"] != now["prediction"]).sum()),
        unequal=int((then != now).any(axis=1).sum()),
    )


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
