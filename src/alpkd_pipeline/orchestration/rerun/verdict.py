"""The verdict of a rerun: bitwise equal, equal within the spread of seeds, or drifted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.rerun.compare import ModelComparison
from alpkd_pipeline.orchestration.rerun.original import Difference, StoredRun
from alpkd_pipeline.orchestration.rerun.rows import DataComparison
from alpkd_pipeline.reporting.statistics.summary import LEVEL, seed_summary

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.statistics.bootstrap import PairBootstrap


ENOUGH_SEEDS = 3
"""Fewer scores say next to nothing about how far seeds lie apart."""


@dataclass(frozen=True, slots=True)
class Band:
    """What a difference of the deciding score is measured against.

    Attributes:
        source: `seeds`, or `examples` where there are too few of them.
        n: how many seeds, or examples.
        low: the least difference, rerun minus original, that is still noise.
        high: the largest one.
    """

    source: Literal["seeds", "examples"]
    n: int
    low: float
    high: float

    def holds(self, difference: float) -> bool:
        """Whether a difference is noise; rounding of the last digit always is."""
        return self.low - 1e-12 <= difference <= self.high + 1e-12

    def __str__(self) -> str:
        if self.source == "seeds":
            return f"{self.low:+.4f} to {self.high:+.4f}, from {self.n} seeds"
        return (
            f"{self.low:+.4f} to {self.high:+.4f}, from {self.n} dev examples:"
            f" fewer than {ENOUGH_SEEDS} seeds are in the store"
        )


def seed_band(scores: Sequence[float]) -> Band | None:
    """How far two runs lie apart that differ in nothing but the seed.

    The difference of two scores drawn like these has the standard deviation s * sqrt(2), where s is
    theirs; t quantiles allow for s being an estimate.

    Args:
        scores: one for each seed, the original's among them.

    Returns:
        The band around 0; None with fewer than `ENOUGH_SEEDS`.
    """
    if len(scores) < ENOUGH_SEEDS:
        return None
    from scipy.stats import t

    seen = seed_summary(scores)
    half = float(t.ppf((1 + LEVEL) / 2, seen.n - 1)) * (seen.std or 0.0) * math.sqrt(2)
    return Band("seeds", seen.n, -half, half)


def example_band(found: PairBootstrap) -> Band:
    """How far the choice of dev examples alone moves the difference of these two models.

    Args:
        found: the rerun against the original.

    Returns:
        The bootstrap interval, moved so that it holds the difference just when the interval
        holds 0.
    """
    difference = found.difference
    return Band("examples", found.rows, difference - found.high, difference - found.low)


def band_of(then: StoredRun, now: StoredRun) -> Band | None:
    """The band for an original and its rerun; None where nothing is there to make one from."""
    return seed_band(seed_scores(then)) or _from_examples(then, now)


def seed_scores(original: StoredRun) -> list[float]:
    """The deciding scores of all runs of the store that differ from one in nothing but the seed.

    One score for each seed, the original's own among them.
    """
    from alpkd_pipeline.reporting.grouping import facts_but_seed, group_id, teacher_facts
    from alpkd_pipeline.reporting.store import STUDENTS, TEACHERS, finished_runs

    student = original.stage == "student"
    facts = facts_but_seed if student else teacher_facts
    records = list(finished_runs(original.store, STUDENTS if student else TEACHERS))
    own = next((record for record in records if record.key == original.key), None)
    if own is None:
        return []
    group, found = group_id(facts(own)), dict[int, float]()
    # The original first: its own score stands for its seed.
    for record in [own, *records]:
        if record.deciding_score is not None and group_id(facts(record)) == group:
            params = record.run["params"]
            seed = params["seed"] if student else params["teacher"]["seed"]
            found.setdefault(int(seed), record.deciding_score)
    return list(found.values())


def _from_examples(then: StoredRun, now: StoredRun) -> Band | None:
    from alpkd_pipeline.reporting.statistics.bootstrap import one_pair
    from alpkd_pipeline.reporting.statistics.dev_answers import check_same_rows, dev_answers

    try:
        ours, theirs = dev_answers(now.folder), dev_answers(then.folder)
        check_same_rows(ours, theirs)
        found = one_pair(
            ours.task.deciding_metric,
            ours.frame["label"].to_numpy(),
            ours.frame["prediction"].to_numpy(),
            theirs.frame["prediction"].to_numpy(),
        )
    except (UserError, ValueError, TypeError):  # answers that are missing, or damaged
        return None
    return example_band(found)


Verdict = Literal["bitwise equal", "equal within the seed spread", "drifted", "failed"]

BITWISE: Verdict = "bitwise equal"
WITHIN: Verdict = "equal within the seed spread"
DRIFTED: Verdict = "drifted"
FAILED: Verdict = "failed"

FROM_BEST: tuple[Verdict, ...] = (BITWISE, WITHIN, DRIFTED, FAILED)

SOMETHING_ELSE = frozenset({"data", "parameters", "damage"})
"""Where one of these differs, the rerun is a rerun of something else, whatever its score."""


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model and its rerun.

    Attributes:
        found: what was compared.
        band: what the difference of scores is measured against; None if there is none.
    """

    found: ModelComparison
    band: Band | None

    @property
    def difference(self) -> float | None:
        """The deciding score of the rerun minus that of the original."""
        _, then, now = self.found.deciding
        return None if then is None or now is None else now - then

    @property
    def verdict(self) -> Verdict:
        """What is to be said of this model alone."""
        if self.found.bitwise:
            return BITWISE
        if self.difference is None or self.band is None:
            return WITHIN if self.difference == 0.0 else DRIFTED
        return WITHIN if self.band.holds(self.difference) else DRIFTED


@dataclass(frozen=True, slots=True)
class CellResult:
    """One original and its rerun.

    Attributes:
        original: the original's key.
        name: its folder's name.
        task: its task.
        commit: the commit whose code was run; None: today's code.
        differences: what was otherwise than it had been.
        data: whether the rows were the same; None if nothing was made.
        models: the teacher, if the original's is still there, and the student.
        rerun: the key of what was made, None if nothing was.
        folder: where it was made, relative to the store.
        tracked: the MLflow runs of the original and of the rerun, where they are known.
        error: why it failed, one line.
    """

    original: str
    name: str
    task: str
    commit: str | None
    differences: tuple[Difference, ...]
    data: DataComparison | None = None
    models: tuple[ModelResult, ...] = ()
    rerun: str | None = None
    folder: str | None = None
    tracked: tuple[str | None, str | None] = (None, None)
    error: str | None = None

    @property
    def something_else(self) -> tuple[str, ...]:
        """Why this is no rerun of the same thing."""
        found = [str(d) for d in self.differences if d.kind in SOMETHING_ELSE]
        changes = self.data.changes if self.data else ()
        return (*found, *(f"data changed, {change}" for change in changes))

    @property
    def verdict(self) -> Verdict:
        """The worst of its models; drifted where data or parameters are others."""
        if self.error is not None:
            return FAILED
        return worst(self.verdict_of(model) for model in self.models)

    def verdict_of(self, model: ModelResult) -> Verdict:
        """What is to be said of one of its models."""
        return worst([model.verdict, DRIFTED]) if self.something_else else model.verdict


@dataclass(frozen=True, slots=True)
class RerunResult:
    """All that one command made again.

    Attributes:
        time: when it ended, `20260314-031500` in UTC.
        of: the key of the one original, or of the comparison.
        cells: one for each original.
        seconds: how long it took.
        kept: whether the fresh store stays.
        notes: lines for people: what was passed over, what could not be tracked.
    """

    time: str
    of: str
    cells: Sequence[CellResult]
    seconds: float
    kept: bool = True
    notes: Sequence[str] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """The worst of all cells."""
        return worst(cell.verdict for cell in self.cells)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; of none, the best."""
    return max(verdicts, key=FROM_BEST.index, default=BITWISE)
