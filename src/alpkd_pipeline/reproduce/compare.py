"""Two runs of one training, thing by thing: weights, losses, answers, scores."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import PurePath
from typing import Any

from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.verdict import BITWISE, DRIFTED, WITHIN, Band, Verdict
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.event_log import sealed_events
from alpkd_pipeline.store.layout import SCORES
from alpkd_pipeline.store.run_folder import PREDICTIONS, DamagedError, RunFolder

UNREADABLE = (DamagedError, OSError, ValueError, KeyError, TypeError, AttributeError)
"""What reading a file raises that is damaged, or that another version wrote otherwise."""

Pairs = Mapping[str, tuple[float | None, float | None]]
"""`<split>.<metric>` -> the original's score and the rerun's, the primary one first."""


@dataclass(frozen=True, slots=True)
class LossComparison:
    """The losses that both event logs tell.

    `steps` are those that the original recorded. `first` is the first one whose losses differ, or
    that only one of them has, with its total loss `then` and `now`; `largest` is the largest
    difference of a total loss, `rate_from` the first step with another learning rate.
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

    def __str__(self) -> str:
        if not self.readable:
            return "cannot be read"
        if not self.steps:
            return "none recorded"
        if self.equal:
            return f"all {self.steps} recorded steps equal"
        then, now = ("none" if v is None else f"{v:.6g}" for v in (self.then, self.now))
        rate = f"; the learning rate differs from step {self.rate_from} on"
        return (
            f"differ from step {self.first} on: {then} -> {now}, at most {self.largest:.2g} apart"
            f"{'' if self.rate_from is None else rate}"
        )


def compare_losses(then: list[dict[str, Any]], now: list[dict[str, Any]]) -> LossComparison:
    """Compare the lines of steps of two event logs, the raw and the weighted losses of each."""
    theirs, ours = (
        {int(event["step"]): event for event in events if event["event"] == "step"}
        for events in (then, now)
    )
    steps = sorted(theirs.keys() | ours.keys())
    both = {step: (theirs.get(step, {}), ours.get(step, {})) for step in steps}
    totals = {
        step: (_total(t), _total(o))
        for step, (t, o) in both.items()
        if not (t and o) or any(t.get(kind) != o.get(kind) for kind in ("loss", "weighted"))
    }
    first, pair = next(iter(totals.items()), (None, (None, None)))
    apart = (abs(o - t) for t, o in totals.values() if t is not None and o is not None)
    rates = (step for step, (t, o) in both.items() if t and o and t.get("lr") != o.get("lr"))
    return LossComparison(len(theirs), first, *pair, max(apart, default=0.0), next(rates, None))


def _total(event: Mapping[str, Any]) -> float | None:
    value = event.get("loss", {}).get("total")
    return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class PredictionComparison:
    """The answers of both to the same examples, in one file such as `training/dev`.

    Of `rows` examples (None if a file cannot be read) so many are `differing` in what was answered,
    and `unequal` in any digit, those of probabilities included.
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

    def __str__(self) -> str:
        if self.rows is None:
            return f"{self.name}: cannot be read"
        if not self.same_examples:
            return f"{self.name}: other examples"
        return (
            f"{self.name}: {self.differing} of {self.rows} answered differently,"
            f" {self.unequal} not the same to the last digit"
        )


def _predictions(where: str, then: RunFolder, now: RunFolder) -> Iterator[PredictionComparison]:
    """Compare every table of answers that the original has with that of the rerun."""
    import pandas as pd

    for file in fnmatch.filter(sorted(then.manifest["files"]), f"{PREDICTIONS}*.csv"):
        name = f"{where}/{PurePath(file).stem}"
        found = PredictionComparison(name, None)
        with suppress(*UNREADABLE):
            # As texts: the same number may be written otherwise.
            before, after = (pd.read_csv(BytesIO(one.read(file)), dtype=str) for one in (then, now))
            examples = ["idx", "label"]
            found = PredictionComparison(name, len(before), same_examples=False)
            if list(before) == list(after) and before[examples].equals(after[examples]):
                other = before != after
                counts = int(other["prediction"].sum()), int(other.any(axis=1).sum())
                found = PredictionComparison(name, len(before), *counts)
        yield found


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """An original and its rerun: sha256 of both weights, losses, answers and scores.

    `skipped` says what of the scores the original does not have to compare, `missing` what of them
    one of the two should have, which makes them unequal. The difference of the primary score is
    measured against the `band`.
    """

    stage: str
    weights: tuple[str, str]
    losses: LossComparison
    predictions: tuple[PredictionComparison, ...]
    scores: Pairs
    skipped: str | None = None
    missing: str | None = None
    band: Band | None = None

    @property
    def bitwise(self) -> bool:
        """Whether weights, losses, answers and scores are all the same."""
        return (
            self.weights[0] == self.weights[1]
            and self.losses.equal
            and all(answer.equal for answer in self.predictions)
            and all(then == now for then, now in self.scores.values())
            and self.missing is None
        )

    @property
    def primary(self) -> tuple[str, float | None, float | None]:
        """The primary score: its name, then, now."""
        return next(((name, *pair) for name, pair in self.scores.items()), ("score", None, None))

    @property
    def difference(self) -> float | None:
        """The primary score of the rerun minus that of the original."""
        _, then, now = self.primary
        return None if then is None or now is None else now - then

    @property
    def verdict(self) -> Verdict:
        """What is to be said of this model alone."""
        if self.bitwise:
            return BITWISE
        if self.difference is None or self.band is None:
            return WITHIN if self.difference == 0.0 else DRIFTED
        return WITHIN if self.band.holds(self.difference) else DRIFTED


def compare_models(then: StoredRun, now: StoredRun) -> ModelComparison:
    """Compare all that two finished trainings have left; what cannot be read is not equal."""
    try:
        losses = compare_losses(sealed_events(then), sealed_events(now))
    except UNREADABLE:
        losses = LossComparison(0, readable=False)
    before, after = scored = _readable_scores(then), _readable_scores(now)
    predictions = [*_predictions("training", then, now)]
    if before is not None and after is not None:
        predictions += _predictions("scores", before, after)
    weights, scores = (_weights(then), _weights(now)), _compare_scores(then, now, scored)
    return ModelComparison(then.stage, weights, losses, tuple(predictions), *scores)


def _weights(run: StoredRun) -> str:
    """The sha256 of a model's weights; of several files, their digests joined."""
    files = run.manifest["files"]
    return " ".join(files[n]["sha256"] for n in sorted(files) if n.endswith(".safetensors"))


def _readable_scores(run: StoredRun) -> RunFolder | None:
    """A model's dev scores; None if it has none or damage hides them, which `plan.damage` tells."""
    with suppress(DamagedError):
        return run.newest(SCORES[0])
    return None


def _compare_scores(
    then: StoredRun, now: StoredRun, scored: tuple[RunFolder | None, RunFolder | None]
) -> tuple[Pairs, str | None, str | None]:
    """Scores, `skipped` and `missing` of a comparison: the saved models' dev scores, or those that
    chose them, where one model has no others."""
    before, after = (_numbers(partial(_saved, one)) if one else None for one in scored)
    skipped = missing = None
    if before is None or after is None:
        before, after = (_numbers(partial(run.metrics.get, "scores")) or {} for run in (then, now))
        less = "the scores that chose the models are compared"
        none = f"has no dev scores of the saved model: {less}"
        if all(scored):
            missing = f"dev scores of the saved model cannot be read: {less}"
        elif scored[0]:
            missing = f"the rerun {none}"
        elif scored[1]:
            skipped = f"the original {none}"
    split, metric = then.run["task"]["dev_splits"][0], then.run["task"]["metrics"][0]
    names = sorted({*before, *after})
    # The scores that chose a model may be of a split with a name of its own.
    names.sort(key=lambda name: (name != f"{split}.{metric}", not name.endswith(f".{metric}")))
    return {name: (before.get(name), after.get(name)) for name in names}, skipped, missing


def _saved(folder: RunFolder) -> Mapping[str, Any]:
    splits = folder.json("scores.json")["splits"]
    return {name: facts["scores"] or {} for name, facts in splits.items()}


def _numbers(splits: Callable[[], Any]) -> dict[str, float] | None:
    """Scores of splits as in `Pairs`; None if there are none, or they cannot be read."""
    with suppress(*UNREADABLE):
        return {name: float(score) for name, score in flat(splits()).items()}
    return None
