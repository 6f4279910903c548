"""The verdict of a rerun: bitwise equal, equal within the spread of seeds, or drifted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from alpkd_pipeline.orchestration.rerun.band import Band
from alpkd_pipeline.orchestration.rerun.compare import ModelComparison
from alpkd_pipeline.orchestration.rerun.difference import Difference
from alpkd_pipeline.orchestration.rerun.rows import DataComparison

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
