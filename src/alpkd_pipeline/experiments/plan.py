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
from alpkd_pipeline.experiments.grid import SWEEP_FILE, GridPoint
from alpkd_pipeline.experiments.jobs import Job
from alpkd_pipeline.project.check import check_experiment
from alpkd_pipeline.project.experiment import TRAINING_LIBRARIES, Experiment
from alpkd_pipeline.project.parameters import study_title
from alpkd_pipeline.project.params import Params
from alpkd_pipeline.project.presets import PresetInUse
from alpkd_pipeline.reporting.grouping import StudyFinding, StudyKey, findings, study_of
from alpkd_pipeline.store import diff
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.fingerprint import library_versions
from alpkd_pipeline.store.layout import search_records
from alpkd_pipeline.store.run_folder import Damage, RunFolder, finished_below, newest_first, noted

StepKind = Literal["teacher", "signals", "cell", "measurement"]
STEP_KINDS: tuple[StepKind, ...] = get_args(StepKind)


@dataclass(frozen=True, slots=True)
class Step:
    """A job, and what it is about."""

    kind: StepKind
    job: Job
    experiment: Experiment


@dataclass(frozen=True, slots=True)
class Plan:
    """All experiments of a grid, and the steps that are left, what others need first."""

    experiments: tuple[GridPoint, ...]
    steps: tuple[Step, ...]

    def of_kind(self, kind: StepKind) -> list[Step]:
        """The steps of one kind."""
        return [step for step in self.steps if step.kind == kind]


def make_plan(grid: Sequence[GridPoint], *, measure: bool = True) -> Plan:
    """Look at the store and plan what is missing. Nothing is written.

    Raises:
        DamagedError: a file that is read here is not what was written, and would stay so.
    """
    earlier, steps = EarlierStudents(), Missing()
    experiments = tuple(_planned(experiment, earlier) for experiment in grid)
    for planned in experiments:
        _add_experiment(steps, planned)
    if measure:
        _add_measurements(steps, experiments)
    return Plan(experiments, tuple(steps.in_order()))


def _planned(grid: GridPoint, earlier: EarlierStudents) -> GridPoint:
    experiment = grid.experiment
    try:
        check_experiment(experiment)
    except UserError as error:
        # A task of one's own in conf/ is not yet in the grid.
        own = str(error).startswith("parameter 'task.")
        listed = (
            f"an experiment's task is one of `tasks` in {SWEEP_FILE} or tune.yml, not task.name"
        )
        hint = f" ({listed})" if own else ""
        raise UserError(f"experiment {grid.name}: {error}{hint}") from None
    why = _damage(experiment.student, experiment.student_scores)
    if experiment.student_scores.found and not why:
        scores = RunFolder(experiment.student_scores.path)
        scores.verify(filter(scores.has, ["scores.json"]))
        return replace(grid, state="done")
    why = why or (() if experiment.student.found else why_stale(experiment, earlier, grid.preset))
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
    """Steps to what experiments lack; what several of them need is made once."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._names: set[str] = set()
        self._there: dict[str, bool] = {}

    def in_order(self) -> list[Step]:
        """Teachers, signals, experiments, measurements."""
        return sorted(self._steps.values(), key=lambda step: STEP_KINDS.index(step.kind))

    def add(
        self,
        kind: StepKind,
        experiment: Experiment,
        name: str,
        pipeline: str,
        stages: Sequence[Artifact],
        needs: Sequence[str] = (),
        *,
        params: Params | None = None,
    ) -> list[str]:
        """Plan the job that makes some results, unless the last is planned; its name, as a need.

        It refuses to make others than planned. It is done with the experiment's parameters or with
        those given, and alone where it measures.
        """
        key = stages[-1].key
        if key not in self._steps:
            # A latency belongs to the machine that takes it, which need not be the one that plans:
            # a worker must find the key of what is timed.
            timed = {"student_latency": experiment.student, "teacher_latency": experiment.teacher}
            found = [timed.get(stage.name, stage) for stage in stages]
            if name in self._names:  # overrides may make several teachers of one seed
                name = f"{name} {key[:8]}"
            job = Job(
                name=name,
                pipeline=pipeline,
                to_outputs=tuple(stage.name for stage in stages),
                params=(params or experiment.params).plain(),
                command=experiment.command,
                expect={stage.name: stage.key for stage in found},
                needs=tuple(needs),
                exclusive=kind == "measurement",
            )
            self._names.add(name)
            self._steps[key] = Step(kind, job, experiment)
        return [self._steps[key].job.name]

    def add_shared(
        self,
        experiment: Experiment,
        made: Artifact,
        teacher: str,
        signals: str,
        params: Params | None = None,
    ) -> list[str]:
        """Plan the teacher and the signals that a student lacks, by these names; what it waits for.

        `made` is what is wanted of the teacher: itself, or its scores too.
        """
        needs = list[str]()
        if not (self.is_there(experiment.teacher) and self.is_there(made)):
            job = teacher, "finetune_teacher", [made]
            needs = self.add("teacher", experiment, *job, params=params)
        if experiment.needs_signals and not self.is_there(experiment.signals):
            job = signals, "distill", [experiment.signals]
            needs = self.add("signals", experiment, *job, needs, params=params)
        return needs

    def is_there(self, stage: Artifact) -> bool:
        """Whether a result was there when it was first looked for."""
        if stage.key not in self._there:
            self._there[stage.key] = stage.found is not None
        return self._there[stage.key]

    def name_of(self, stage: Artifact) -> str | None:
        """The job that will make a result, if one is planned."""
        return self._steps[stage.key].job.name if stage.key in self._steps else None


def _add_experiment(steps: Missing, planned: GridPoint) -> None:
    """An experiment that is not done, and before it the teacher and the signals that it lacks."""
    if planned.state == "done":
        return
    experiment, needs, stages = planned.experiment, list[str](), [planned.experiment.student_scores]
    if not steps.is_there(experiment.student):
        task, whose = planned.coordinates["task"], f"t{planned.coordinates['teacher_seed']}"
        names = f"{task} teacher {whose}", f"{task} signals {whose}"
        needs = steps.add_shared(experiment, experiment.teacher_scores, *names)
    if steps.is_there(experiment.student_scores):
        stages = [experiment.student, *stages]  # its scores are whole, and it is not
    steps.add("cell", experiment, planned.name, "distill", stages, needs)


def _add_measurements(steps: Missing, experiments: Sequence[GridPoint]) -> None:
    """What is measured of one student of each task, method and depth, that of the lowest seeds.

    The latency once a shape. Nothing is trained for it.
    """
    chosen, taken = dict[str, GridPoint](), set[str]()
    seeds = itemgetter("seed", "teacher_seed")
    for planned in sorted(experiments, key=lambda planned: seeds(planned.coordinates)):
        chosen.setdefault(study_title(planned.coordinates), planned)
    all_of_them = [planned.experiment for planned in experiments]
    timed = {_shape(e) for e in all_of_them if steps.is_there(e.student_latency)}
    for title, planned in chosen.items():
        experiment, made = planned.experiment, steps.name_of(planned.experiment.student_scores)
        if made is None and not steps.is_there(experiment.student):
            continue  # deleted after it was scored; not worth training it again
        wanted = [] if _shape(experiment) in timed else [experiment.student_latency]
        there = steps.is_there(experiment.teacher) or steps.name_of(experiment.teacher_scores)
        if there and not experiment.params.teacher.is_table:
            wanted += [experiment.student_geometry, experiment.teacher_latency]
        if stages := [s for s in wanted if s.key not in taken and not steps.is_there(s)]:
            needs = [made] if made else []
            steps.add("measurement", experiment, f"measure {title}", "evaluate", stages, needs)
            taken |= {stage.key for stage in stages}
            timed.add(_shape(experiment))


def _shape(experiment: Experiment) -> tuple[Any, ...]:
    """What decides how long a student takes to answer; its method and seed do not."""
    given = experiment.params
    start = replace(given.student, init_from="teacher", head="teacher")
    how = given.training.device, given.training.threads, given.training.precision
    return (experiment.encoded.key, experiment.model, *how, start)


class EarlierStudents:
    """The finished students of a store, by the part of their names that is not a key."""

    def __init__(self) -> None:
        self._folders = cache(lambda place: newest_first(finished_below(place)))
        self.studies = cache(_studies)  # that searches have recorded, by store

    def like(self, experiment: Experiment) -> list[Mapping[str, Any]]:
        """The run.json of each finished student of an experiment's coordinates, newest first."""
        place, seed = experiment.student.expected, experiment.params.teacher.seed
        found = list[Any]()
        for folder in self._folders(place.parent):
            if folder.path.name.rpartition("-")[0] == place.name.rpartition("-")[0]:
                with suppress(OSError, ValueError, KeyError, TypeError):  # of another shape
                    run = folder.run
                    if run["identity"] and run["params"]["teacher"]["seed"] == seed:
                        found.append(run)
        return found


def _studies(store: Path) -> Mapping[StudyKey, Sequence[StudyFinding]]:
    try:
        return findings(search_records(store))
    except (LookupError, TypeError, ValueError, AttributeError):  # a damaged record
        return {}


def why_stale(
    experiment: Experiment, earlier: EarlierStudents, preset: PresetInUse | None = None
) -> tuple[str, ...]:
    """What tells an experiment from the most similar student that was finished before.

    Gives words such as `code`, `data`, `teacher`, `parameters (training.lr)`, `libraries (torch)`
    and `made without preset tune-base-32c1e07c`; none if there was no such student.
    """
    rivals = [(differences(experiment, run), run) for run in earlier.like(experiment)]
    if not rivals:
        return ()
    found, run = min(rivals, key=lambda rival: len(rival[0]))
    study = study_of(run, earlier.studies(experiment.store))
    then, now = study.search if study else None, preset.name if preset else None
    if then and then != now:
        return (*found, f"made with preset {then}" + (f", not {now}" if now else ""))
    was = diff.flat(run["params"])
    if preset and any(was.get(name) != value for name, value in preset.settings.items()):
        return (*found, f"made without preset {now}" if not then else f"preset {now} has changed")
    return found


def differences(experiment: Experiment, run: Mapping[str, Any]) -> tuple[str, ...]:
    """What of an experiment differs from a finished run."""
    now = {n: block for n, block in experiment.params.plain().items() if n in run["params"]}
    # A parameter that was added since, and left at nothing, says nothing.
    changed = diff.differences(now, run["params"])
    params = [name for name in changed if name not in diff.PATHS_WITHOUT_EFFECT]
    then = (run.get("provenance") or {}).get("libraries") or {}
    versions = library_versions(TRAINING_LIBRARIES).items()
    libraries = [f"{n} {then[n]} -> {v}" for n, v in versions if then.get(n, v) != v]
    found = [f"parameters ({some(params, 4)})"] if params else []
    if run["identity"].get("code") != experiment.student_code:
        found.append("code")
    if libraries:
        found.append(f"libraries ({', '.join(libraries)})")
    found += _changed_inputs(experiment, run["identity"].get("keys") or {}, params)
    # What is left: the code of the signals, or a row of the table of methods.
    return tuple(found) or ("code",)


def _changed_inputs(
    experiment: Experiment, keys: Mapping[str, str], params: list[str]
) -> list[str]:
    """The data or else the teacher, if they changed for another reason than parameters."""
    if keys.get("splits") != experiment.splits.key or keys.get("encoded") != experiment.encoded.key:
        about_data = any(name.startswith(("task.", "teacher.model")) for name in params)
        return [] if about_data else ["data"]
    about_teacher = any(name.startswith("teacher.") for name in params)
    same = keys.get("teacher") == experiment.teacher.key
    return [] if same or about_teacher else ["teacher"]
