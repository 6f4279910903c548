"""What of a grid is there, what is stale, and the jobs that make the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, get_args

from alpkd_pipeline.errors import UserError, some
from alpkd_pipeline.experiments.grid import SWEEP_FILE, GridCell
from alpkd_pipeline.experiments.jobs import Job
from alpkd_pipeline.project.cell import TRAINING_LIBRARIES, Cell
from alpkd_pipeline.project.check import check_cell
from alpkd_pipeline.project.parameters import study_title
from alpkd_pipeline.project.params import Params
from alpkd_pipeline.project.presets import PresetInUse
from alpkd_pipeline.reporting.grouping import Found, Place, findings, study_of
from alpkd_pipeline.store import diff
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.fingerprint import library_versions
from alpkd_pipeline.store.layout import search_records
from alpkd_pipeline.store.run_folder import (
    Damage,
    RunFolder,
    finished_below,
    newest_first,
    noted,
)

StepKind = Literal["teacher", "signals", "cell", "measurement"]
STEP_KINDS: tuple[StepKind, ...] = get_args(StepKind)


@dataclass(frozen=True, slots=True)
class Step:
    """A job, and what it is about."""

    kind: StepKind
    job: Job
    cell: Cell


@dataclass(frozen=True, slots=True)
class Plan:
    """All cells of a grid, and the steps that are left, what others need first."""

    cells: tuple[GridCell, ...]
    steps: tuple[Step, ...]

    def of_kind(self, kind: StepKind) -> list[Step]:
        """The steps of one kind."""
        return [step for step in self.steps if step.kind == kind]


def make_plan(grid: Sequence[GridCell], *, measure: bool = True) -> Plan:
    """Look at the store and plan what is missing. Nothing is written.

    Raises:
        DamagedError: a file that is read here is not what was written, and would stay so.
    """
    earlier, steps = EarlierStudents(), Missing()
    cells = tuple(_planned(cell, earlier) for cell in grid)
    for planned in cells:
        _add_cell(steps, planned)
    if measure:
        _add_measurements(steps, cells)
    return Plan(cells, tuple(steps.in_order()))


def _planned(grid: GridCell, earlier: EarlierStudents) -> GridCell:
    cell = grid.cell
    try:
        check_cell(cell)
    except UserError as error:
        # A task of one's own in conf/ is not yet in the grid.
        own = str(error).startswith("parameter 'task.")
        hint = f" (a cell's task is one of `tasks` in {SWEEP_FILE} or tune.yml, not task.name)"
        raise UserError(f"cell {grid.name}: {error}{hint if own else ''}") from None
    why = _damage(cell.student, cell.student_scores)
    if cell.student_scores.found and not why:
        scores = RunFolder(cell.student_scores.path)
        scores.verify(filter(scores.has, ["scores.json"]))
        return replace(grid, state="done")
    why = why or (() if cell.student.found else why_stale(cell, earlier, grid.preset))
    return replace(grid, state="stale" if why else "todo", why=why)


def _damage(*stages: Artifact) -> tuple[str, ...]:
    """What finished folders have lost, so that they are made again."""
    damages: list[Damage] = []
    for folder in (RunFolder(stage.path) for stage in stages):
        with noted(damages):
            if folder.is_there:
                folder.check_sizes()
    return tuple(f"damaged: {damage.folder.name}/{damage.file}" for damage in damages)


class Missing:
    """Steps to what cells lack; what several of them need is made once."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._names: set[str] = set()
        self._there: dict[str, bool] = {}

    def in_order(self) -> list[Step]:
        """Teachers, signals, cells, measurements."""
        return sorted(self._steps.values(), key=lambda step: STEP_KINDS.index(step.kind))

    def add(
        self,
        kind: StepKind,
        cell: Cell,
        name: str,
        pipeline: str,
        stages: Sequence[Artifact],
        needs: Sequence[str] = (),
        *,
        params: Params | None = None,
    ) -> list[str]:
        """Plan the job that makes some results of a cell, unless the last one is planned already.

        It refuses to make others than planned. It is done with the cell's parameters or with those
        given, and alone where it measures. Gives its name, as what others need.
        """
        key = stages[-1].key
        if key not in self._steps:
            # A latency belongs to the machine that takes it, which need not be the one that plans:
            # a worker must find the key of what is timed.
            timed = {"student_latency": cell.student, "teacher_latency": cell.teacher}
            found = [timed.get(stage.name, stage) for stage in stages]
            if name in self._names:  # overrides may make several teachers of one seed
                name = f"{name} {key[:8]}"
            job = Job(
                name=name,
                pipeline=pipeline,
                to_outputs=tuple(stage.name for stage in stages),
                params=(params or cell.params).plain(),
                command=cell.command,
                expect={stage.name: stage.key for stage in found},
                needs=tuple(needs),
                exclusive=kind == "measurement",
            )
            self._names.add(name)
            self._steps[key] = Step(kind, job, cell)
        return [self._steps[key].job.name]

    def add_shared(
        self, cell: Cell, made: Artifact, teacher: str, signals: str, params: Params | None = None
    ) -> list[str]:
        """Plan the teacher and the signals that a student lacks, by these names; what it waits for.

        `made` is what is wanted of the teacher: itself, or its scores too.
        """
        needs = list[str]()
        if not (self.is_there(cell.teacher) and self.is_there(made)):
            needs = self.add("teacher", cell, teacher, "finetune_teacher", [made], params=params)
        if cell.needs_signals and not self.is_there(cell.signals):
            stages = [cell.signals]
            needs = self.add("signals", cell, signals, "distill", stages, needs, params=params)
        return needs

    def is_there(self, stage: Artifact) -> bool:
        """Whether a result was there when it was first looked for."""
        if stage.key not in self._there:
            self._there[stage.key] = stage.found is not None
        return self._there[stage.key]

    def name_of(self, stage: Artifact) -> str | None:
        """The job that will make a result, if one is planned."""
        step = self._steps.get(stage.key)
        return step.job.name if step else None


def _add_cell(steps: Missing, planned: GridCell) -> None:
    """A cell that is not done, and before it the teacher and the signals that it lacks."""
    if planned.state == "done":
        return
    cell, needs, stages = planned.cell, list[str](), [planned.cell.student_scores]
    if not steps.is_there(cell.student):
        task, whose = planned.coordinates["task"], f"t{planned.coordinates['teacher_seed']}"
        names = f"{task} teacher {whose}", f"{task} signals {whose}"
        needs = steps.add_shared(cell, cell.teacher_scores, *names)
    if steps.is_there(cell.student_scores):
        stages = [cell.student, *stages]  # its scores are whole, and it is not
    steps.add("cell", cell, planned.name, "distill", stages, needs)


def _add_measurements(steps: Missing, cells: Sequence[GridCell]) -> None:
    """What is measured of one student of each task, method and depth, that of the lowest seeds.

    The latency once a shape. Nothing is trained for it.
    """
    chosen, taken = dict[str, GridCell](), set[str]()
    for planned in sorted(cells, key=lambda p: itemgetter("seed", "teacher_seed")(p.coordinates)):
        chosen.setdefault(study_title(planned.coordinates), planned)
    timed = {_shape(p.cell) for p in cells if steps.is_there(p.cell.student_latency)}
    for title, planned in chosen.items():
        cell, made = planned.cell, steps.name_of(planned.cell.student_scores)
        if made is None and not steps.is_there(cell.student):
            continue  # deleted after it was scored; not worth training it again
        wanted = [] if _shape(cell) in timed else [cell.student_latency]
        there = steps.is_there(cell.teacher) or steps.name_of(cell.teacher_scores)
        if there and not cell.params.teacher.is_table:
            wanted += [cell.student_geometry, cell.teacher_latency]
        if stages := [s for s in wanted if s.key not in taken and not steps.is_there(s)]:
            needs = [made] if made else []
            steps.add("measurement", cell, f"measure {title}", "evaluate", stages, needs)
            taken |= {stage.key for stage in stages}
            timed.add(_shape(cell))


def _shape(cell: Cell) -> tuple[Any, ...]:
    """What decides how long a student takes to answer; its method and seed do not."""
    given = cell.params
    start = replace(given.student, init_from="teacher", head="teacher")
    how = given.training.device, given.training.threads, given.training.precision
    return (cell.encoded.key, cell.model, *how, start)


MOST_NAMES = 4
"""How many parameters are named."""


class EarlierStudents:
    """The finished students of a store, by the part of their names that is not a key."""

    def __init__(self) -> None:
        self._folders = cache(lambda place: newest_first(finished_below(place)))
        self.studies = cache(_studies)  # that searches have recorded, by store

    def like(self, cell: Cell) -> list[Mapping[str, Any]]:
        """The run.json of each finished student with the coordinates of a cell, newest first."""
        place, seed, found = cell.student.expected, cell.params.teacher.seed, list[Any]()
        for folder in self._folders(place.parent):
            if folder.path.name.rpartition("-")[0] == place.name.rpartition("-")[0]:
                with suppress(OSError, ValueError, KeyError, TypeError):  # of another shape
                    run = folder.run
                    if run["identity"] and run["params"]["teacher"]["seed"] == seed:
                        found.append(run)
        return found


def _studies(store: Path) -> Mapping[Place, Sequence[Found]]:
    try:
        return findings(search_records(store))
    except (LookupError, TypeError, ValueError, AttributeError):  # a damaged record
        return {}


def why_stale(
    cell: Cell, earlier: EarlierStudents, preset: PresetInUse | None = None
) -> tuple[str, ...]:
    """What tells a cell from the most similar student that was finished before.

    Gives words such as `code`, `data`, `teacher`, `parameters (training.lr)`, `libraries (torch)`
    and `made without preset tune-base-32c1e07c`; none if there was no such student.
    """
    rivals = [(differences(cell, run), run) for run in earlier.like(cell)]
    if not rivals:
        return ()
    found, run = min(rivals, key=lambda rival: len(rival[0]))
    study = study_of(run, earlier.studies(cell.store))
    then, now = study.search if study else None, preset.name if preset else None
    if then and then != now:
        return (*found, f"made with preset {then}" + (f", not {now}" if now else ""))
    was = diff.flat(run["params"])
    if preset and any(was.get(name) != value for name, value in preset.settings.items()):
        return (*found, f"made without preset {now}" if not then else f"preset {now} has changed")
    return found


def differences(cell: Cell, run: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a cell differs from a finished run."""
    now = {name: block for name, block in cell.params.plain().items() if name in run["params"]}
    # A parameter that was added since, and left at nothing, says nothing.
    changed = diff.differences(now, run["params"])
    params = [name for name in changed if name not in diff.PATHS_WITHOUT_EFFECT]
    then = (run.get("provenance") or {}).get("libraries") or {}
    versions = library_versions(TRAINING_LIBRARIES).items()
    libraries = [f"{n} {then[n]} -> {v}" for n, v in versions if then.get(n, v) != v]
    found = [f"parameters ({some(params, MOST_NAMES)})"] if params else []
    if run["identity"].get("code") != cell.student_code:
        found.append("code")
    if libraries:
        found.append(f"libraries ({', '.join(libraries)})")
    found += _changed_inputs(cell, run["identity"].get("keys") or {}, params)
    # What is left: the code of the signals, or a row of the table of methods.
    return tuple(found) or ("code",)


def _changed_inputs(cell: Cell, keys: Mapping[str, str], params: list[str]) -> list[str]:
    """The data or else the teacher, if they changed for another reason than parameters."""
    if keys.get("splits") != cell.splits.key or keys.get("encoded") != cell.encoded.key:
        about_data = any(name.startswith(("task.", "teacher.model")) for name in params)
        return [] if about_data else ["data"]
    about_teacher = any(name.startswith("teacher.") for name in params)
    return ["teacher"] if keys.get("teacher") != cell.teacher.key and not about_teacher else []
