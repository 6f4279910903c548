"""A step: a node function that locks, uses what is there, and publishes only what is whole.

Under any of Kedro's runners, in any session or orchestrator, by itself or beside others.
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
from typing import Any

from filelock import FileLock, Timeout

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.steps.tracked import tracked
from alpkd_pipeline.store.artifact import Artifact, Experiment, lacking
from alpkd_pipeline.store.by_key import free_place
from alpkd_pipeline.store.checkpoints import drop_checkpoints
from alpkd_pipeline.store.finished import verify
from alpkd_pipeline.store.manifest import list_files, lock_file, publish, room_for
from alpkd_pipeline.store.run_folder import Work, provenance

log = logging.getLogger(__name__)

ONE_AT_A_TIME = threading.Lock()
"""Held while something is made: seeds, threads and torch's flags belong to a process. It is taken
after the lock of a result, never before one, so that processes cannot wait in a circle."""

Build = Callable[..., None]


def step(name: str, **params: str) -> Callable[[Build], Callable[..., Artifact]]:
    """Make a node function of one that fills a folder, `build(folder, **inputs)`.

    What it returns is a plain function at the top of its module: ParallelRunner pickles it by its
    name, and Kedro-Viz shows the source of plain functions only.

    Args:
        name: the result that it makes.
        **params: argument -> the dotted parameter that the pipeline feeds it. What the step gets
            is compared with what the result's key was made from.
    """

    def decorate(build: Build) -> Callable[..., Artifact]:
        @functools.wraps(build)
        def run(experiment: Experiment, **inputs: Any) -> Artifact:
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
        return run

    return decorate


def make(
    experiment: Experiment, artifact: Artifact, build: Build, inputs: Mapping[str, Any]
) -> Artifact:
    """Make a result unless it is there, or nobody wants it.

    Args:
        experiment: what it belongs to.
        artifact: the result.
        build: fills a folder; gets the inputs by name.
        inputs: those with a path are verified and named in run.json.

    Returns:
        The handle.

    Raises:
        UserError: an input is damaged, the result lacks a file, or what `build` raises.
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
    experiment: Experiment, artifact: Artifact, build: Build, inputs: Mapping[str, Any]
) -> None:
    read = {name: _place(value) for name, value in inputs.items() if isinstance(value, os.PathLike)}
    work = _work(artifact, experiment.project)
    if not work.goes_on:
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
    own = artifact.expected.with_name(f"{artifact.expected.name}.work")
    end = own.name[-len("-01234567.work") :]
    others = (path for path in sorted(own.parent.glob(f"*{end}")) if path != own)
    works = [Work(path, facts) for path in (own, *others)]
    return next((work for work in works if work.goes_on), works[0])


@contextmanager
def _held(artifact: Artifact) -> Iterator[None]:
    """Hold the lock of a result; say so while another process holds it."""
    where = lock_file(artifact.path, artifact.key)
    where.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(where)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("waiting: another process is making %s", artifact.path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
