"""A step: a node function that locks, uses what is there, and publishes only what is whole.

Under any of Kedro's runners, in any session or orchestrator, by itself or beside others. MLflow is
told from here, under the lock and in the process of the step: hooks of Kedro do not reach every
worker.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from kedro.pipeline import node
from kedro.pipeline.node import Node

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import Artifact, ResolvedExperiment, free_place, lacking
from alpkd_pipeline.store.checkpoints import Work, drop_checkpoints
from alpkd_pipeline.store.fingerprint import provenance
from alpkd_pipeline.store.layout import COMPARISON
from alpkd_pipeline.store.manifest import list_files, lock_file, publish, room_for
from alpkd_pipeline.store.run_folder import RunFolder, verify

if TYPE_CHECKING:
    from alpkd_pipeline.tracking.settings import TrackingSettings

log = logging.getLogger(__name__)

SCORED = {f"{m}_{result}": m for m in ("teacher", "student") for result in ("scores", "evaluation")}
"""Which model's tracked run gets these scores; an evaluation may have some of a user's own."""

ONE_AT_A_TIME = threading.Lock()
"""Held while something is made: seeds, threads and torch's flags belong to a process. It is taken
after the lock of a result, never before one, so that processes cannot wait in a circle."""

Build = Callable[..., object]


def step(name: str, **params: str) -> Callable[[Build], Callable[..., Artifact]]:
    """Make a node function of one that fills a result's folder, `build(folder, **inputs)`.

    What it returns is a plain function at the top of its module: ParallelRunner pickles it by its
    name, and Kedro-Viz shows the source of plain functions only. `params`: argument -> the dotted
    parameter that the pipeline feeds it, compared with what the result's key was made from.
    """

    def decorate(build: Build) -> Callable[..., Artifact]:
        @functools.wraps(build)
        def run(experiment: ResolvedExperiment, **inputs: Any) -> Artifact:
            for argument, parameter in params.items():
                if inputs[argument] != experiment.param(parameter):
                    raise UserError(
                        f"params:{parameter} was changed in the catalog after the keys were made:"
                        " give the parameter to the command or the session instead"
                    )
            return make(experiment, experiment[name], build, inputs)

        # Kedro checks the names of a node's inputs against the signature when it makes the node.
        experiment = inspect.Parameter("experiment", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        _, *rest = inspect.signature(build).parameters.values()
        run.__signature__ = inspect.Signature([experiment, *rest])  # type: ignore[attr-defined]
        fed = {argument: f"params:{parameter}" for argument, parameter in params.items()}
        run.inputs = {p.name: fed.get(p.name, p.name) for p in (experiment, *rest)}  # type: ignore[attr-defined]
        run.result = name  # type: ignore[attr-defined]
        return run

    return decorate


def step_node(run: Any, stage: str, **datasets: str) -> Node:
    """A node of a step, its stage as a tag: each argument is fed from the dataset of its name, or
    from one with another name in `datasets`."""
    inputs = {**run.inputs, **datasets}
    return node(run, inputs, run.result, name=run.__name__, tags=f"stage.{stage}")


def make(
    experiment: ResolvedExperiment, artifact: Artifact, build: Build, inputs: Mapping[str, Any]
) -> Artifact:
    """Make a result unless it is there, or nobody wants it, and hand it back.

    `build` fills a folder and gets the inputs by name; those with a path are verified before, and
    named in run.json. Raises UserError where an input is damaged or the result lacks a file, and
    what `build` raises.
    """
    if artifact.is_made or not artifact.wanted:
        return artifact  # no lock is needed, which a store that is only read does not give
    with _held(artifact):
        # Looked at again under the lock: another process may have made it meanwhile.
        if not artifact.is_made:
            with ONE_AT_A_TIME, room_for(artifact.path):
                log.info("making %s", artifact.name)
                _make(experiment, artifact, build, inputs)
    return artifact


def _make(
    experiment: ResolvedExperiment, artifact: Artifact, build: Build, inputs: Mapping[str, Any]
) -> None:
    read = {name: _place(value) for name, value in inputs.items() if isinstance(value, os.PathLike)}
    work = _work(artifact, experiment.project)
    if not work.resumes:
        # Before tracking looks: it would go on with the run of a training that begins again.
        work.clear()
    with tracked(experiment, artifact, work):
        folder = work.begin(**read)
        build(folder, **inputs)
        files = [path.relative_to(folder).as_posix() for path in list_files(folder)]
        if missing := lacking(artifact.name, files):
            raise UserError(f"{folder} lacks {', '.join(missing)}, so it is not published")
        final = free_place(artifact.path, artifact.key)
        publish(folder, final, artifact.facts)
        drop_checkpoints(final)


def _place(value: os.PathLike[str]) -> Path | None:
    """Where an input lies, all its bytes compared with its manifest; None if it is not used."""
    if not isinstance(value, Artifact):
        return Path(value)
    if not value.used:
        return None
    verify(value.path)
    return value.path


def _work(artifact: Artifact, project: Path) -> Work:
    """The folder to work in; a training that began under another name of its model goes on."""
    facts = {**artifact.run, "provenance": provenance(project)}
    own = artifact.work
    others = sorted(own.parent.glob(f"*{own.name[-len('-01234567.work') :]}"))
    works = [Work(path, facts) for path in dict.fromkeys((own, *others))]
    return next((work for work in works if work.resumes), works[0])


@contextmanager
def _held(artifact: Artifact) -> Iterator[None]:
    """Hold the lock of a result; say so while another process holds it."""
    where = lock_file(artifact.path, artifact.key)
    where.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(where)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        log.info("waiting: another process is making %s", artifact.path.name)
        held = lock.acquire()
    with held:
        yield


def settings_of(experiment: ResolvedExperiment) -> TrackingSettings | None:
    """Where an experiment is tracked; None if it is not. Raises UserError where tracking is set up
    wrongly."""
    from alpkd_pipeline.tracking.settings import tracking_settings

    run = experiment.params["run"]
    return tracking_settings(run["tracking"], run["experiment"], experiment.project)


@contextmanager
def tracked(experiment: ResolvedExperiment, artifact: Artifact, work: Work) -> Iterator[None]:
    """Follow the making of a result, if it is one that is tracked; it is published when the context
    ends. Nothing of MLflow is imported unless something is trained, scored or compared."""
    settings = settings_of(experiment)
    if settings is None:
        yield
    elif work.trains:
        from alpkd_pipeline.tracking.live import LiveSync

        sync = LiveSync(work.folder, settings, pictures=run_pictures_of)
        sync.start()
        try:
            yield
        except BaseException as error:  # KILLED after Ctrl-C and SIGTERM, else FAILED
            sync.fail(error)
            raise
        sync.finish(artifact.path)
    else:
        yield
        if artifact.name in SCORED:
            _track_scores(experiment[SCORED[artifact.name]].path, settings)
        elif artifact.name == COMPARISON:
            _track_comparison(artifact.path, settings)


def _track_scores(model: Path, settings: TrackingSettings) -> None:
    """Add scores to the model's run; if that did not get through, a later sync adds both."""
    from alpkd_pipeline.tracking.folder_sync import sync_folder
    from alpkd_pipeline.tracking.points import find_scores
    from alpkd_pipeline.tracking.settings import read_state

    state = read_state(model)
    if not state.finished or state.place != settings.place:
        return
    try:
        scored = find_scores(model)
        if scored is not None and scored.key != state.scored:
            sync_folder(model, settings, pictures=run_pictures_of)
    except UserError as error:
        log.warning("%s", error)


def _track_comparison(folder: Path, settings: TrackingSettings) -> None:
    """Track the tables; a tracking store that is away does not undo the comparison."""
    import pandas as pd

    from alpkd_pipeline.tracking.comparison import log_comparison

    # Not the CSV file: it also lists trials and reruns, which are not to be compared.
    students = pd.DataFrame(RunFolder(folder).json("comparison.json")["students"])
    try:
        log_comparison(folder, settings, students)
    except UserError as error:
        log.warning("%s", error)


def run_pictures_of(folder: Path) -> dict[str, bytes]:
    """The pictures of a finished training, by file name."""
    from alpkd_pipeline.reporting.plots.layers import run_pictures

    return run_pictures(folder)
