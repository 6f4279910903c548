"""The wheel in an environment of its own, in a folder with nothing but conf/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.conftest import PROJECT, Kedro
from tests.projects import conf_alone, copied_project

pytestmark = pytest.mark.slow

TRAINING = "training.epochs=1,teacher.training.epochs=1,task.train_rows=200"
SHORT = f"--params={TRAINING},student.layers=2"

Run = Callable[..., subprocess.CompletedProcess[str]]


def call(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(PROJECT / "src", source / "src", ignore=ignored)
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    done = call(sys.executable, "-m", "pip", "wheel", *offline, "-w", source, source, cwd=source)
    assert done.returncode == 0, done.stderr
    (found,) = source.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def programs(wheel: Path) -> Path:
    """Where the programs of an environment are that has the wheel, and what it needs from here."""
    place = wheel.parent / "environment"
    assert call(sys.executable, "-m", "venv", place, cwd=wheel.parent).returncode == 0
    library = sysconfig.get_path("purelib", vars={"base": str(place)})
    (Path(library) / "needed.pth").write_text(sysconfig.get_path("purelib"))
    install = (place / "bin" / "pip", "install", "--no-deps", "--no-index", "--ignore-installed")
    done = call(*install, wheel, cwd=wheel.parent)
    assert done.returncode == 0, done.stderr
    return place / "bin"


@pytest.fixture
def alpkd(programs: Path, tmp_path: Path) -> Run:
    """Runs the script in a folder that holds conf/ alone."""
    place = conf_alone(tmp_path)
    grid = {"tasks": ["demo"], "methods": ["kd"], "layers": [2], "seeds": [0]}
    (place / "conf" / "local" / "sweep.yml").write_text(yaml.safe_dump(grid))

    def run(*words: str, program: str = "alpkd") -> subprocess.CompletedProcess[str]:
        return call(programs / program, *words, cwd=place)

    return run


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = PROJECT / "src"
    files = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and ".egg-info" not in str(path)
    }
    assert files - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_every_command_works_beside_a_conf(alpkd: Run, tmp_path: Path, programs: Path) -> None:
    def said(*words: str, code: int = 0, program: str = "alpkd") -> str:
        done = alpkd(*words, program=program)
        text = done.stdout + done.stderr
        assert done.returncode == code, text
        assert "Traceback" not in text
        assert "kedro " not in text
        return text

    code = "import alpkd_pipeline; print(alpkd_pipeline.__file__)"
    assert said("-c", code, program="python").startswith(str(programs.parent))
    assert "making encoded" in said(
        "-m", "alpkd_pipeline", SHORT, "--pipelines", "data_prep", program="python"
    )
    main = (
        f"from alpkd_pipeline.__main__ import main; main(['--pipelines', 'data_prep', '{SHORT}'])"
    )
    assert "nothing to do" in said("-c", main, program="python")
    assert "student: data/06_models/students/demo/alp_kd-2L" in said("run", SHORT)
    assert "nothing to do" in said("run", "--pipeline=distill", SHORT)
    (student,) = (tmp_path / "data" / "06_models" / "students" / "demo").glob("alp_kd-2L-s0-*")
    (teacher,) = (tmp_path / "data" / "06_models" / "teachers" / "demo").glob("*-s0-*")
    assert "1 to do" in said("sweep", "--dry-run", f"--params={TRAINING}")
    assert "kd            2    1/1" in said("sweep", f"--params={TRAINING}")
    assert "1 done" in said("sweep", "--dry-run", f"--params={TRAINING}")
    assert "trials to run" in said("tune", "--dry-run")
    assert "`alpkd run --pipeline=compare`" in said("pair", student.name, teacher.name)
    assert "bitwise equal" in said("rerun", student.name)
    assert "-m alpkd_pipeline schedule --start sync" in said("schedule", "--cron=@daily", "sync")
    assert said("schedule", "--start", "sync", "--", "sync") == ""
    assert "exit code 0" in said("schedule", "--list")
    assert "sound" in said("verify")
    assert "3 of 3 runs are in MLflow: mlflow server --backend-store-uri" in said("sync")
    # A sweep compares its own students: only the comparison of the store has those of the run too.
    assert "comparison: " in said("run", "--pipeline=compare", SHORT)
    assert "a newer one has all of its students" in said("prune", "--dry-run")
    assert f"  student: {tmp_path}/data/" in said("catalog", "describe-datasets")
    assert "did you mean 'distill'" in said("run", "--pipeline=distil", code=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "conf",
        "data",
        "logs",
        "mlartifacts",
        "mlflow.db",
        "mlflow.db.lock",
    ]


def test_an_archive_of_conf_serves_a_run(alpkd: Run, tmp_path: Path) -> None:
    (tmp_path / "conf" / "local" / "sweep.yml").unlink()
    shutil.make_archive(str(tmp_path / "conf"), "gztar", tmp_path, "conf")
    shutil.rmtree(tmp_path / "conf")
    done = alpkd("--pipelines=data_prep", SHORT, "--conf-source=conf.tar.gz")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "data").glob("05_model_input/encoded/demo/*/manifest.json"))) == 1


def test_kedro_mlflow_beside_it_kills_and_tracks_nothing(kedro: Kedro, tmp_path: Path) -> None:
    pytest.importorskip("kedro_mlflow")
    root = copied_project(tmp_path / "project")
    done = kedro("run", "--pipeline=distill", SHORT, cwd=root)
    assert done.returncode == 0, done.stderr
    assert not (root / "mlruns").exists()
    synced = kedro("sync", cwd=root)
    assert synced.stdout.startswith("2 of 2 runs are in MLflow")
