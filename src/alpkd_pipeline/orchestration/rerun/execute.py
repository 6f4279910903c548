"""Makes cells in a process of their own, which may run the code of another commit."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun, read_model
from alpkd_pipeline.reporting.store import STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import MANIFEST, is_complete
from alpkd_pipeline.tracking.settings import TrackingSettings

WORKER = "alpkd_pipeline.orchestration.sweep.worker"

GRACE_SECONDS = 25.0
"""How long a process that was told to stop may take to save and to close what is open."""

LONGEST_LOG = 300


class Workshop:
    """One worker process on one version of the code. Use it in a `with` block.

    Its protocol is that of `sweep.worker`, of which older commits have the same one.

    Args:
        project: the project's root, of this or of another commit.
        source: the folder that holds the package.
        log: where the process writes all it has to say.
        env: the configuration environment.
    """

    def __init__(self, project: Path, source: Path, log: Path, env: str | None = None) -> None:
        self._project, self._source, self._log, self._env = project, source, log, env
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Workshop:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def make(self, stage: str, params: Mapping[str, Any], name: str) -> str | None:
        """Make a teacher, or a student with all that it needs, and its scores.

        Args:
            stage: `teacher` or `student`.
            params: the complete parameters.
            name: what people call it.

        Returns:
            None, or one line that says why it failed.
        """
        student = stage == "student"
        outputs = ["teacher_scores", "student_scores"] if student else ["teacher_scores"]
        answer = self._ask(
            {
                "name": name,
                "pipeline": "distill" if student else "finetune_teacher",
                "to_outputs": outputs,
                "params": dict(params),
                "command": f"kedro rerun {name}",
                "needs": [],
            }
        )
        if answer.get("state") == "done":
            return None
        return f"{answer.get('error', 'it failed')} [log: {self._log}]"

    def _ask(self, job: Mapping[str, Any]) -> Mapping[str, str]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            return dict(json.loads(line))
        except (OSError, ValueError):
            code = process.wait()
            return {"error": f"its process ended with exit code {code}: {self._last_words()}"}

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", WORKER, str(self._project), self._env or ""],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self._project,
                    env={**os.environ, "PYTHONPATH": self._path()},
                    text=True,
                    encoding="utf-8",
                    start_new_session=True,
                )
        return self._process

    def _path(self) -> str:
        before = os.environ.get("PYTHONPATH")
        return os.pathsep.join([str(self._source), *([before] if before else [])])

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1][:LONGEST_LOG] if lines else "it said nothing"


def made_run(store: Path, stage: str, params: Mapping[str, Any]) -> StoredRun | None:
    """What was made with some parameters, found by them: its key follows from today's facts.

    Of several, as a changed library leaves them in a store that is gone on with, the newest.

    Args:
        store: the fresh store.
        stage: `teacher` or `student`.
        params: the parameters that it was started with.
    """
    kind, blocks = (STUDENTS, None) if stage == "student" else (TEACHERS, ("task", "teacher"))
    wanted = {name: params[name] for name in blocks or params if name != "run"}
    sealed = sorted((store / kind).glob(f"*/*/{MANIFEST}"), key=_age)
    for folder in (path.parent for path in sealed):
        if is_complete(folder):
            run = read_model(folder)
            if _holds(run.run["params"], wanted):
                return run
    return None


def _age(path: Path) -> tuple[int, Path]:
    return -path.stat().st_mtime_ns, path


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
    """Everything that the rerun of a run is started with.

    Args:
        original: the run.
        project: the project in which it was made: its relative paths start here, and the rerun may
            happen in another folder.
        store: the fresh store.
        settings: where the rerun is tracked; None: nowhere.
        device: takes the place of the recorded one.
    """
    params: dict[str, Any] = copy.deepcopy(dict(original.run["params"]))
    teacher = original.teacher if original.stage == "student" else original
    own = original.environment
    _pin(params["training"], own, device)
    _pin(params["teacher"]["training"], teacher.environment if teacher else own, device)
    _make_absolute(params, project)
    # Only what every version knows, so that older commits accept it.
    params["run"] = {
        "store": str(store),
        "tracking": settings.uri if settings else "off",
        "experiment": settings.experiment if settings else "alpkd",
        "kind": "rerun",
    }
    return params


def _pin(training: dict[str, Any], environment: Mapping[str, Any], device: str | None) -> None:
    for name in RECORDED:
        if environment.get(name) is not None:
            training[name] = environment[name]
    if device is not None:
        training["device"] = device


def _make_absolute(params: dict[str, Any], project: Path) -> None:
    task = params["task"]
    if task["source"] == "folder" and task.get("path") is None:
        task["path"] = os.environ.get("ALPKD_GLUE_DIR") or "data/01_raw/glue"
    if task["source"] == "table" or task.get("path") is not None:
        task["path"] = str(project / Path(task.get("path") or "").expanduser())
    for block, name in ((params["teacher"], "model"), (params["student"], "checkpoint")):
        folder = project / Path(block.get(name) or "no model").expanduser()
        if folder.is_dir():
            block[name] = str(folder)
