"""A real search on a part of the demo: killed, continued, and followed by a run with its preset."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.conftest import Kedro
from tests.projects import copied_project

SEARCH = {
    "tasks": ["demo"],
    "methods": ["kd"],
    "layers": [1],
    "trials": 4,
    "space": {"training.lr": [1e-4, 4e-4], "method.temperature": [2.0, 5.0]},
    "params": {"task.train_rows": 200, "teacher.training.epochs": 1, "training.epochs": 4},
}
COMMAND = ("tune", "--workers=1")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = copied_project(tmp_path / "project", tracking="off")
    (made / "conf" / "base" / "tune.yml").write_text(yaml.safe_dump(SEARCH))
    return made


def students(project: Path) -> dict[str, int]:
    found = (project / "data").glob("06_models/students/demo/*/manifest.json")
    return {p.parent.name: p.stat().st_mtime_ns for p in found if p.parent.suffix != ".work"}


def record(project: Path) -> dict:
    (path,) = (project / "data").glob("08_reporting/searches/*.json")
    return json.loads(path.read_text())


def start(project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", *COMMAND],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell starts background jobs with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_students(search: subprocess.Popen[str], project: Path, number: int) -> None:
    for _ in range(1800):
        if len(students(project)) >= number:
            return
        assert search.poll() is None, search.communicate()[0]
        time.sleep(0.1)
    pytest.fail("the search makes no students")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_stopped_search_goes_on(project: Path, kedro: Kedro, number: int, code: int) -> None:
    search = start(project)
    wait_for_students(search, project, 2)
    if number == signal.SIGKILL:
        os.killpg(search.pid, number)
    else:
        search.send_signal(number)
    said, _ = search.communicate(timeout=60)
    assert search.returncode == code, said
    assert "Traceback" not in said
    before = students(project)
    assert not (project / "conf" / "base" / "parameters" / "tuned.yml").exists()

    done = kedro(*COMMAND, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    after = students(project)
    assert len(after) == 4
    assert {name: after[name] for name in before} == before

    (study,) = record(project)["studies"]
    assert (study["done"], study["possible"]) == (4, 4)
    for trial in study["trials"]:
        (key,) = trial["keys"]
        (folder,) = (project / "data").glob(f"06_models/students/demo/*-{key[:8]}")
        metrics = json.loads((folder / "metrics.json").read_text())
        run = json.loads((folder / "run.json").read_text())
        # Judged by the holdout; dev was never looked at.
        assert list(metrics["scores"]) == ["holdout"]
        assert metrics["scores"]["holdout"]["accuracy"] == trial["score"]
        assert run["params"]["training"]["selection"] == "holdout"
        assert run["identity"]["generation"] == "trial"
        assert run["group"] == record(project)["id"]
    assert not list((project / "data").glob("07_model_output/scores/demo/kd*"))


@pytest.mark.slow
def test_a_run_takes_the_preset_and_keeps_its_own_selection(project: Path, kedro: Kedro) -> None:
    done = kedro(*COMMAND, "--trials=1", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    (study,) = record(project)["studies"]
    experiment = (
        "--params=method.name=kd,student.layers=1,task.train_rows=200,"
        "teacher.training.epochs=1,training.epochs=4"
    )
    ran = kedro("run", "--pipeline=distill", experiment, cwd=project)
    assert ran.returncode == 0, ran.stderr
    # The trial's teacher left out the rows that judged its student; the final run's has seen all.
    assert "making teacher\n" in ran.stderr
    (key,) = study["trials"][0]["keys"]
    models = project / "data" / "06_models"
    (student,) = models.glob(f"students/demo/*-{key[:8]}")
    of_trial = json.loads((student / "run.json").read_text())["identity"]["keys"]["teacher"]
    (teacher,) = models.glob(f"teachers/demo/*-{of_trial[:8]}")
    assert json.loads((teacher / "run.json").read_text())["identity"]["generation"] == "trial"
    left_out = [pd.read_csv(f / "predictions" / "holdout.csv")["idx"] for f in (teacher, student)]
    assert left_out[0].tolist() == left_out[1].tolist()
    runs = [
        json.loads(p.read_text())
        for p in (project / "data").glob("06_models/students/*/*/run.json")
    ]
    (final,) = [run for run in runs if run["identity"]["generation"] == "cell"]
    best = study["best"]["values"]
    assert final["params"]["training"]["lr"] == best["training.lr"]
    assert final["params"]["method"]["temperature"] == best["method.temperature"]
    assert final["params"]["training"]["selection"] == "dev"
