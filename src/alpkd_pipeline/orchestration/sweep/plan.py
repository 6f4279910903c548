"""What of a grid is there, what is stale, and the jobs that make the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.cell_checks import check_cell
from alpkd_pipeline.orchestration.stage import SharedFacts, Stage
from alpkd_pipeline.orchestration.sweep.grid import GridCell
from alpkd_pipeline.orchestration.sweep.jobs import Job
from alpkd_pipeline.orchestration.sweep.spec import SWEEP_FILE
from alpkd_pipeline.orchestration.sweep.stale import EarlierStudents, why_stale
from alpkd_pipeline.store.finished import Damage, FinishedFolder, noted

CellState = Literal["done", "stale", "todo"]
Kind = Literal["teacher", "signals", "cell", "measurement"]

MEASURED = ("student_latency", "student_geometry", "teacher_latency")
"""What is measured of one student of each task, method and depth; the latency once a shape."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell of the grid and how far it is.

    Attributes:
        grid: its coordinates and parameters.
        cell: its keys and folders.
        state: `done`; `stale`: it was there once, with other code, data or numbers, or has lost
            bytes; `todo`.
        why: if stale, what is different now.
    """

    grid: GridCell
    cell: Cell
    state: CellState
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A job, and what it is about."""

    kind: Kind
    job: Job
    cell: Cell


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a grid, and the steps that are left, what others need first."""

    cells: tuple[PlannedCell, ...]
    steps: tuple[Step, ...]

    def jobs(self) -> list[Job]:
        """The jobs of all steps."""
        return [step.job for step in self.steps]

    def of_kind(self, kind: Kind) -> list[Step]:
        """The steps of one kind."""
        return [step for step in self.steps if step.kind == kind]

    def in_state(self, state: CellState) -> list[PlannedCell]:
        """The cells in one state."""
        return [planned for planned in self.cells if planned.state == state]


def make_plan(grid: Sequence[GridCell], project: Path, *, measure: bool = True) -> Plan:
    """Look at the store and plan what is missing. Nothing is written.

    Args:
        grid: the cells.
        project: the project's root.
        measure: whether latency and states are measured too.

    Raises:
        DamagedError: a file that is read here is not what was written, and would stay so.
        UserError: one line that names the cell that cannot work.
    """
    facts, earlier = SharedFacts(), EarlierStudents()
    cells = tuple(_planned(cell, project, facts, earlier) for cell in grid)
    steps = _Steps()
    for planned in cells:
        steps.add_cell(planned)
    if measure:
        steps.note_timed(cells)
        for planned in _one_of_each(cells):
            steps.add_measurement(planned)
    return Plan(cells, tuple(steps.in_order()))


def is_there(stage: Stage) -> bool:
    """Whether a result is finished under its key."""
    return stage.found is not None


def _planned(
    grid: GridCell, project: Path, facts: SharedFacts, earlier: EarlierStudents
) -> PlannedCell:
    cell = Cell(grid.params, project, grid.command, facts)
    try:
        check_cell(cell)
    except UserError as error:
        raise UserError(f"cell {grid.name}: {error}{_hint(str(error))}") from None
    why = _damage(cell.student, cell.student_scores)
    if is_there(cell.student_scores) and not why:
        scores = FinishedFolder(cell.student_scores.folder)
        scores.verify(filter(scores.has, ["scores.json"]))
        return PlannedCell(grid, cell, "done")
    why = why or (why_stale(cell, earlier, grid.preset) if not is_there(cell.student) else ())
    return PlannedCell(grid, cell, "stale" if why else "todo", why)


def _damage(*stages: Stage) -> tuple[str, ...]:
    """What finished folders have lost, so that they are made again."""
    damages: list[Damage] = []
    for folder in (FinishedFolder(stage.folder) for stage in stages):
        with noted(damages):
            if folder.is_there:
                folder.check_sizes()
    return tuple(f"damaged: {damage.folder.name}/{damage.file}" for damage in damages)


def _hint(told: str) -> str:
    """Where a cell's task comes from: a task of one's own in conf/ is not yet in the grid."""
    if not told.startswith("parameter 'task."):
        return ""
    return f" (a cell's task is one of `tasks` in {SWEEP_FILE} or tune.yml, not task.name)"


def _one_of_each(cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """One cell for each task, method and depth: that of the lowest seeds."""
    found: dict[tuple[str, str, int], PlannedCell] = {}
    for planned in sorted(cells, key=_seeds):
        at = planned.grid.coordinates
        found.setdefault((at["task"], at["method"], at["layers"]), planned)
    return list(found.values())


def _seeds(planned: PlannedCell) -> tuple[int, int]:
    at = planned.grid.coordinates
    return at["seed"], at["teacher_seed"]


class _Steps:
    """Collects the steps; what several cells share is planned once."""

    def __init__(self) -> None:
        self._shared: dict[str, Step] = {}
        self._cells: dict[str, Step] = {}
        self._measured: list[Step] = []
        self._names: set[str] = set()
        self._there: dict[str, bool] = {}
        self._timed: set[tuple[Any, ...]] = set()

    def in_order(self) -> Iterator[Step]:
        """Teachers, signals, cells, measurements."""
        for kind in ("teacher", "signals"):
            yield from (step for step in self._shared.values() if step.kind == kind)
        yield from self._cells.values()
        yield from self._measured

    def add_cell(self, planned: PlannedCell) -> None:
        """A cell that is not done, and before it the teacher and the signals that it lacks."""
        if planned.state == "done":
            return
        cell, needs = planned.cell, []
        if not self._is_there(cell.student):
            needs = self._shared_needs(planned)
        stages: tuple[Stage, ...] = (cell.student_scores,)
        if self._is_there(cell.student_scores):
            stages = (cell.student, *stages)  # its scores are whole, and it is not
        job = _job(planned, planned.grid.name, "distill", stages, needs)
        self._cells[cell.student_scores.key] = Step("cell", self._unique(job), cell)

    def note_timed(self, cells: Sequence[PlannedCell]) -> None:
        """Remember the shapes of students of which one has been timed before."""
        timed = (p.cell for p in cells if self._is_there(p.cell.student_latency))
        self._timed |= {_shape(cell) for cell in timed}

    def add_measurement(self, planned: PlannedCell) -> None:
        """What is to be measured of a student that is there, or will be."""
        cell = planned.cell
        made = self._cells.get(cell.student_scores.key)
        if made is None and not self._is_there(cell.student):
            return  # deleted after it was scored; not worth training it again
        names = [name for name in MEASURED if self._wanted(cell, name)]
        if not names:
            return
        stages = tuple(cell.stage(name) for name in names)
        at = planned.grid.coordinates
        name = f"measure {at['task']} {at['method']} {at['layers']}L"
        needs = [made.job.name] if made else []
        job = _job(planned, name, "evaluate", stages, needs, exclusive=True)
        self._measured.append(Step("measurement", self._unique(job), cell))
        self._there |= {stage.key: True for stage in stages}
        self._timed.add(_shape(cell))

    def _shared_needs(self, planned: PlannedCell) -> list[str]:
        cell = planned.cell
        at = planned.grid.coordinates
        needs: list[str] = []
        if not (self._is_there(cell.teacher) and self._is_there(cell.teacher_scores)):
            name = f"{at['task']} teacher t{at['teacher_seed']}"
            stages = (cell.teacher_scores,)
            needs = [self._share("teacher", planned, name, "finetune_teacher", stages, needs)]
        if cell.needs_signals and not self._is_there(cell.signals):
            name = f"{at['task']} signals t{at['teacher_seed']}"
            needs = [self._share("signals", planned, name, "distill", (cell.signals,), needs)]
        return needs

    def _share(
        self,
        kind: Literal["teacher", "signals"],
        planned: PlannedCell,
        name: str,
        pipeline: str,
        stages: tuple[Stage, ...],
        needs: Sequence[str],
    ) -> str:
        key = stages[0].key
        if key not in self._shared:
            job = _job(planned, name, pipeline, stages, needs)
            self._shared[key] = Step(kind, self._unique(job, key), planned.cell)
        return self._shared[key].job.name

    def _unique(self, job: Job, key: str = "") -> Job:
        """The job under a name of its own: overrides may make several teachers of one seed."""
        if job.name in self._names:
            job = replace(job, name=f"{job.name} {key[:8]}")
        self._names.add(job.name)
        return job

    def _wanted(self, cell: Cell, name: str) -> bool:
        """Whether something is to be measured, and can be without training anything for it."""
        if name == "student_latency" and _shape(cell) in self._timed:
            return False
        teacher = self._is_there(cell.teacher) or cell.teacher_scores.key in self._shared
        needs_teacher = name in ("teacher_latency", "student_geometry")
        return (teacher or not needs_teacher) and not self._is_there(cell.stage(name))

    def _is_there(self, stage: Stage) -> bool:
        if stage.key not in self._there:
            self._there[stage.key] = is_there(stage)
        return self._there[stage.key]


def _shape(cell: Cell) -> tuple[Any, ...]:
    """What decides how long a student takes to answer; its method and seed do not."""
    given = cell.params
    start = given.student.model_dump(exclude={"init_from", "head"})
    how = given.training.device, given.training.threads, given.training.precision
    return (cell.encoded.key, cell.model, *how, *start.values())


def _job(
    planned: PlannedCell,
    name: str,
    pipeline: str,
    stages: Sequence[Stage],
    needs: Sequence[str],
    *,
    exclusive: bool = False,
) -> Job:
    return Job(
        name=name,
        pipeline=pipeline,
        to_outputs=tuple(stage.name for stage in stages),
        params=planned.grid.params.plain(),
        command=planned.grid.command,
        expect=_expected(planned.cell, stages),
        needs=tuple(needs),
        exclusive=exclusive,
    )


def _expected(cell: Cell, stages: Sequence[Stage]) -> dict[str, str]:
    """The keys that a worker must find; of a latency that of what is timed.

    A latency belongs to the machine that takes it, which need not be the one that plans.
    """
    timed = {"student_latency": cell.student, "teacher_latency": cell.teacher}
    found = (timed.get(stage.name, stage) for stage in stages)
    return {stage.name: stage.key for stage in found}
