"""Where a rerun happens: a fresh store, and a process that may run the code of another commit."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.engines import LocalEngine
from alpkd_pipeline.experiments.jobs import Job
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.fingerprint import git, provenance
from alpkd_pipeline.store.layout import GLUE_FOLDER, RERUNS, STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import (
    LOCKS,
    is_complete,
    listed,
    lock_file,
    read_object,
    write_json,
)
from alpkd_pipeline.store.run_folder import finished_below, newest_first
from alpkd_pipeline.store.unfinished import taken
from alpkd_pipeline.tracking.settings import TrackingSettings

OLD_WORKER = "alpkd_pipeline.orchestration.sweep.worker"


class WorkerProcess(LocalEngine):
    """One worker process on one version of the code: a project, and the folder of its package.
    Older commits have a worker of the same protocol elsewhere. Use it in a `with` block."""

    def __init__(self, project: Path, source: Path, log: Path, env: str | None = None) -> None:
        super().__init__(project, env, 1)
        self._source, self._log = source, log

    @property
    def worker(self) -> str:
        """The module that a process runs, where this version of the code has it."""
        package, *names = OLD_WORKER.split(".")
        old = (self._source / package).joinpath(*names).with_suffix(".py")
        return OLD_WORKER if old.is_file() else super().worker

    def log_of(self, slot: int) -> Path:
        """The one log."""
        return self._log

    def _shown(self, log: Path) -> Path:
        return log  # reports name it, which are read from anywhere

    def _environment(self, slot: int) -> dict[str, str]:
        path = filter(None, [str(self._source), os.environ.get("PYTHONPATH")])
        return {"PYTHONPATH": os.pathsep.join(path)}

    def make(self, stage: str, params: Mapping[str, Any], name: str) -> str | None:
        """Make a teacher, or a student with all that it needs, and its scores; gives None, or one
        line that says why it failed."""
        pipeline = "finetune_teacher" if stage == "teacher" else "distill"
        scores = ("teacher_scores", "student_scores")[: 1 if stage == "teacher" else 2]
        found = self.call(0, Job(name, pipeline, scores, params, f"kedro rerun {name}"))
        if found["state"] != "died":
            return found.get("error")
        said = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return f"{found['error']}: {said[-1][:300] if said else 'it said nothing'}"


def made_run(store: Path, stage: str, params: Mapping[str, Any]) -> StoredRun | None:
    """What was made with some parameters, found by them: its key follows from today's facts. Of
    several, as a changed library leaves them in a store that is gone on with, the newest."""
    kind, blocks = (STUDENTS, None) if stage == "student" else (TEACHERS, ("task", "teacher"))
    wanted = flat({name: params[name] for name in blocks or params if name != "run"})
    for folder in newest_first(finished_below(store / kind, "*/*")):
        if is_complete(folder.path):
            run = StoredRun(folder.path)
            if wanted.items() <= flat(run.run["params"]).items():  # newer code may know more names
                return run
    return None


def exact_parameters(
    original: StoredRun,
    project: Path,
    store: Path,
    settings: TrackingSettings | None,
    device: str | None = None,
) -> dict[str, Any]:
    """Everything that the rerun of a run is started with, in a fresh store, from any place.
    Relative paths start in the project; a device takes the place of the recorded one."""
    params: dict[str, Any] = copy.deepcopy(original.run["params"])
    # Results depend on these to the last digit, and the parameters may have left them open.
    names = ("device", "precision", "threads")
    blocks = ((params, original), (params["teacher"], original.teacher or original))
    for block, recorded in blocks:
        known = {n: v for n in names if (v := recorded.environment.get(n)) is not None}
        block["training"] |= known | ({"device": device} if device else {})
    # Only what every version knows, so that older commits accept it.
    tracking, experiment = (settings.uri, settings.experiment) if settings else ("off", "alpkd")
    params["run"] = {"store": str(store), "tracking": tracking, "experiment": experiment}
    params["run"]["kind"] = "rerun"
    task = params["task"]
    if task["source"] == "folder" and task.get("path") is None:
        task["path"] = os.environ.get("ALPKD_GLUE_DIR") or GLUE_FOLDER
    if task["source"] == "table" or task.get("path") is not None:
        task["path"] = str(project / Path(task.get("path") or "").expanduser())
    for block, name in ((params["teacher"], "model"), (params["student"], "checkpoint")):
        folder = project / Path(block.get(name) or "no model").expanduser()
        if folder.is_dir():
            block[name] = str(folder)
    return params


PLAN = "plan.json"
"""What is to be made in a fresh store; while its verdict is not there, the rerun is unfinished."""

VERDICT = "rerun.json"
"""A copy of the report's data, in stores that are kept."""


def utc_now() -> str:
    """The time for folder names, `20260314-031500`."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


@contextmanager
def fresh_store(store: Path, name: str, plan: Mapping[str, Any]) -> Iterator[Path]:
    """A store of its own for one rerun, held by a lock: the newest unfinished one with the same
    plan, so that its trainings resume, or a new one. All others that nobody holds are removed."""
    base, begun = store / RERUNS, f"{name}-{utc_now()}"
    (base / LOCKS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:

        def free(folder: Path) -> bool:
            lock_file(folder).touch()  # raises where nobody may write
            return held.enter_context(taken(lock_file(folder)))

        there = (path for path in reversed(listed(base)) if path.name != LOCKS)
        left = [path for path in there if not (path / VERDICT).is_file() and free(path)]
        same = (path for path in left if read_object(path / PLAN) == plan)
        names = chain([begun], (f"{begun}-{number}" for number in count(2)))
        new = (base / name for name in names if free(base / name) and not (base / name).exists())
        folder = next(chain(same, new))
        for path in left:
            if path != folder:
                _drop(path)
        write_json(folder / PLAN, plan)
        try:
            yield folder
        finally:
            if not folder.exists():
                _drop(folder)


def _drop(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock_file(folder).unlink(missing_ok=True)


_git = partial(git, seconds=120)  # to check out a large tree takes its time


def same_source(original: StoredRun, project: Path) -> bool:
    """Whether the project stands at the commit of a run, without changes then and now."""
    then, now = original.provenance, provenance(project)
    commit = then.get("git_commit")
    clean = then.get("git_dirty") is False and now["git_dirty"] is False
    return commit is not None and clean and commit == now["git_commit"]


def recorded_commit(original: StoredRun, project: Path) -> str:
    """The commit whose code made a run; a UserError if that came from changed files, without git,
    or from a commit not known here."""
    commit = str(original.provenance.get("git_commit") or "")
    if not commit:
        why = "which recorded no commit;"
    elif original.provenance.get("git_dirty") is not False:
        why = f"which was made from commit {commit[:8]} with changes that nobody committed: that"
        why += " code is gone;"
    elif _git(project, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        why = f"and this repository does not know its commit {commit[:8]}: fetch it; or"
    else:
        return commit
    name = original.path.name
    raise UserError(f"the code has changed since {name}, {why} --here runs it with today's code")


@contextmanager
def checked_out(project: Path, commit: str, folder: Path) -> Iterator[Path]:
    """A temporary work tree of a commit, removed in the end; gives the project's root inside. It is
    a UserError that git refuses, or that the commit does not hold the project."""
    inside = _git(project, "rev-parse", "--show-prefix") or ""
    _remove(project, folder)  # if a killed process left it
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        if _git(project, "worktree", "add", "--detach", "--force", str(folder), commit) is None:
            raise UserError(
                f"git cannot check out commit {commit[:8]} at {folder}: try"
                f" `git worktree add {folder} {commit[:8]}`; --here runs today's code"
            )
        root = folder / inside
        if not (root / "pyproject.toml").is_file():
            raise UserError(
                f"commit {commit[:8]} does not hold this project; --here runs today's code"
            )
        (root / "conf" / "local").mkdir(parents=True, exist_ok=True)  # Kedro wants it
        yield root
    finally:
        _remove(project, folder)


def _remove(project: Path, folder: Path) -> None:
    if folder.exists():
        _git(project, "worktree", "remove", "--force", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
