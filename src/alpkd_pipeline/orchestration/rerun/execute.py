"""Makes cells in a process of their own, which may run the code of another commit."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun, read_model
from alpkd_pipeline.orchestration.sweep.engines import LocalEngine
from alpkd_pipeline.orchestration.sweep.jobs import Job
from alpkd_pipeline.store.layout import GLUE_FOLDER, STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import is_complete
from alpkd_pipeline.store.run_folder import finished_below, newest_first
from alpkd_pipeline.tracking.settings import TrackingSettings

LONGEST_LOG = 300


class Workshop(LocalEngine):
    """One worker process on one version of the code: a project, and the folder of its package.

    Its protocol is that of `sweep.worker`, of which older commits have the same one. All that the
    process has to say goes into the log. Use it in a `with` block.
    """

    def __init__(self, project: Path, source: Path, log: Path, env: str | None = None) -> None:
        super().__init__(project, env, 1)
        self._source, self._log = source, log

    def log_of(self, slot: int) -> Path:
        """The one log."""
        return self._log

    def _shown(self, log: Path) -> Path:
        return log  # reports name it, which are read from anywhere

    def _environment(self, slot: int) -> dict[str, str]:
        path = filter(None, [str(self._source), os.environ.get("PYTHONPATH")])
        return {"PYTHONPATH": os.pathsep.join(path)}

    def make(self, stage: str, params: Mapping[str, Any], name: str) -> str | None:
        """Make a teacher, or a student with all that it needs, and its scores.

        Gives None, or one line that says why it failed.
        """
        made = {"teacher": ("finetune_teacher", ("teacher_scores",))}
        pipeline, outputs = made.get(stage, ("distill", ("teacher_scores", "student_scores")))
        found = self.call(0, Job(name, pipeline, outputs, params, f"kedro rerun {name}"))
        if found["state"] != "died":
            return found.get("error")
        said = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return f"{found['error']}: {said[-1][:LONGEST_LOG] if said else 'it said nothing'}"


def made_run(store: Path, stage: str, params: Mapping[str, Any]) -> StoredRun | None:
    """What was made with some parameters, found by them: its key follows from today's facts.

    Of several, as a changed library leaves them in a store that is gone on with, the newest.
    """
    kind, blocks = (STUDENTS, None) if stage == "student" else (TEACHERS, ("task", "teacher"))
    wanted = {name: params[name] for name in blocks or params if name != "run"}
    for folder in newest_first(finished_below(store / kind, "*/*")):
        if is_complete(folder.path):
            run = read_model(folder.path)
            if _holds(run.run["params"], wanted):
                return run
    return None


def _holds(found: Any, wanted: Any) -> bool:
    """Whether all values are the wanted ones; newer code may know more names."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return all(name in found and _holds(found[name], wanted[name]) for name in wanted)
    return bool(found == wanted)


RECORDED = ("device", "precision", "threads")
"""What results depend on to the last digit and what the parameters may have left open."""


def exact_parameters(
    original: StoredRun,
    project: Path,
    store: Path,
    settings: TrackingSettings | None,
    device: str | None = None,
) -> dict[str, Any]:
    """Everything that the rerun of a run is started with, in a fresh store.

    Relative paths start in the project in which it was made; the rerun may happen elsewhere. A
    device takes the place of the recorded one.
    """
    params: dict[str, Any] = copy.deepcopy(dict(original.run["params"]))
    blocks = ((params, original), (params["teacher"], original.teacher or original))
    for block, recorded in blocks:
        known = {n: v for n in RECORDED if (v := recorded.environment.get(n)) is not None}
        block["training"] |= known | ({"device": device} if device else {})
    _make_absolute(params, project)
    # Only what every version knows, so that older commits accept it.
    params["run"] = {
        "store": str(store),
        "tracking": settings.uri if settings else "off",
        "experiment": settings.experiment if settings else "alpkd",
        "kind": "rerun",
    }
    return params


def _make_absolute(params: dict[str, Any], project: Path) -> None:
    task = params["task"]
    if task["source"] == "folder" and task.get("path") is None:
        task["path"] = os.environ.get("ALPKD_GLUE_DIR") or GLUE_FOLDER
    if task["source"] == "table" or task.get("path") is not None:
        task["path"] = str(project / Path(task.get("path") or "").expanduser())
    for block, name in ((params["teacher"], "model"), (params["student"], "checkpoint")):
        folder = project / Path(block.get(name) or "no model").expanduser()
        if folder.is_dir():
            block[name] = str(folder)
