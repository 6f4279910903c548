"""A training that is killed or stopped, and the same command again."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import PROJECT

from alpkd_pipeline.store.event_log import read_event_log


def start(root: Path, more: str = "") -> subprocess.Popen[str]:
    params = (
        f"run.store={root / 'store'},run.tracking=sqlite:///{root / 'mlflow.db'},"
        "task.train_rows=200,teacher.training.epochs=1,training.epochs=30,student.layers=1,"
        f"training.log_every=1,training.checkpoint_every=5{more}"
    )
    command = [sys.executable, "-m", "kedro", "run", "--pipeline=distill", f"--params={params}"]
    return subprocess.Popen(
        command,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_tracked_steps(root: Path, name: str) -> None:
    """Until MLflow knows steps of the student's training, so that it is in full swing."""
    for _ in range(600):
        if statuses(root) and tracked_steps(root, name) > 2:
            return
        time.sleep(0.1)
    pytest.fail("the training never began")


def query(root: Path, sql: str) -> list[tuple]:
    database = root / "mlflow.db"
    if not database.exists():
        return []
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute(sql).fetchall()


def statuses(root: Path) -> list[tuple[str, str]]:
    # Names without the key that they end with.
    return sorted(query(root, "select substr(name, 1, length(name) - 5), status from runs"))


def tracked_steps(root: Path, name: str) -> int:
    sql = "select count(*) from metrics join runs using (run_uuid) where key='loss/total'"
    return query(root, f"{sql} and name like '{name}-%' and status='RUNNING'")[0][0]


STUDENT, TEACHER = "demo-12to1-alp_kd-s0", "demo-teacher-demo-s0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_the_same_command_goes_on(tmp_path: Path, number: int, code: int) -> None:
    stopped = start(tmp_path)
    wait_for_tracked_steps(tmp_path, STUDENT)
    stopped.send_signal(number)
    _, said = stopped.communicate(timeout=60)
    assert stopped.returncode == code
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert statuses(tmp_path) == [(STUDENT, "KILLED"), (TEACHER, "FINISHED")]
    (work,) = (tmp_path / "store").glob("06_models/students/demo/*.work")
    reached = [event["step"] for event in read_event_log(work)[0] if event["event"] == "step"][-1]

    again = start(tmp_path)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert "making teacher\n" not in said
    assert statuses(tmp_path) == [(STUDENT, "FINISHED"), (TEACHER, "FINISHED")], said
    (folder,) = (tmp_path / "store").glob("06_models/students/demo/*/manifest.json")
    logged = (folder.parent / "events.jsonl").read_text().count('"event": "step"')
    sql = "select count(*) from metrics join runs using (run_uuid) where key='loss/total'"
    resumes = [event for event in read_event_log(folder.parent)[0] if event["event"] == "resume"]
    (after,) = [event["after_step"] for event in resumes]
    if number == signal.SIGKILL:
        assert reached - 5 <= after <= reached
    else:  # the step that was under way was finished and saved
        assert after == reached
    finished = query(tmp_path, f"{sql} and name like '{STUDENT}-%' and status='FINISHED'")
    assert finished == [(logged,)]


@pytest.mark.slow
def test_a_training_that_diverges_is_failed_with_its_reason(tmp_path: Path) -> None:
    lines = set()
    for _ in range(2):
        run = start(tmp_path, ",training.lr=1e30")
        _, said = run.communicate(timeout=300)
        assert run.returncode == 1
        assert "Traceback" not in said
        lines.add(said.splitlines()[-1])
        assert set(statuses(tmp_path)) == {(STUDENT, "FAILED"), (TEACHER, "FINISHED")}
    (line,) = lines
    assert line.startswith("Error: the ")
    (reason,) = set(query(tmp_path, "select value from tags where key='error'"))
    assert reason[0].endswith(line.removeprefix("Error: "))
