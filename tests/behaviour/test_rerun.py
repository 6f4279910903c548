"""`kedro rerun` as a user runs it: on a small experiment it comes out equal to the bit, planted
changes are named, and changed code is left aside for that of the recorded commit."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from tests.conftest import PROJECT, Kedro
from tests.projects import copied_project

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.reproduce.original import read_run
from alpkd_pipeline.reproduce.plan import plan_rerun
from alpkd_pipeline.reproduce.result import Rerun
from alpkd_pipeline.reproduce.run import Setting, run_again
from alpkd_pipeline.reproduce.verdict import BITWISE, DRIFTED
from alpkd_pipeline.store.manifest import read_json, read_manifest, seal, write_json
from alpkd_pipeline.tasks.sources import demo as demo_task

TINY = (
    "task.name=tiny,task.source=table,task.path=rows,task.files.train=train.csv,"
    "task.files.dev=dev.csv,task.text_columns=sentence,task.labels=negative|positive,"
    "teacher.model=encoder,teacher.training.epochs=1,training.epochs=2,student.layers=2,"
    "training.log_every=1,teacher.training.log_every=1,teacher.allow_constant=true"
)
STUDENTS = "06_models/students/tiny"


def tiny_project(root: Path) -> Path:
    """A project with an encoder and a few rows of its own."""
    copied_project(root, tracking="off")
    shutil.copytree(DEMO_FOLDER, root / "encoder")
    (root / "rows").mkdir()
    splits = demo_task.load()
    for split, rows in (("train", 48), ("dev", 40)):
        frame = splits[split].head(rows)[["sentence", "label"]]
        frame.to_csv(root / "rows" / f"{split}.csv", index=False)
    return root


def student_of(root: Path) -> Path:
    (folder,) = (path.parent for path in (root / "data" / STUDENTS).glob("*/manifest.json"))
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, kedro: Kedro) -> Path:
    """A project with a finished tiny experiment, made once for all workers; tests copy it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    root = shared / "tiny-rerun"
    with FileLock(f"{root}.lock"):
        if not (root / "ready").exists():
            tiny_project(root)
            done = kedro("run", "--pipeline=distill", f"--params={TINY}", cwd=root)
            assert done.returncode == 0, done.stderr
            (root / "ready").touch()
    return root


def test_a_rerun_is_bitwise_equal(finished: Path, kedro: Kedro, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(finished / "data", store)
    key = read_json(student_of(finished) / "manifest.json")["key"]
    where = f"--params=run.store={store}"
    done = kedro("rerun", key[:12], where, cwd=finished)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{BITWISE}: alp_kd-2L-s0-")
    (record,) = (store / "08_reporting/reruns").glob("*/rerun.json")
    (experiment,) = read_json(record)["cells"]
    assert [model["stage"] for model in experiment["models"]] == ["teacher", "student"]
    assert all(model["weights"][0] == model["weights"][1] for model in experiment["models"])
    assert all(model["losses"]["steps"] >= 2 for model in experiment["models"])
    assert experiment["data"] == {"known": True, "changes": []}
    assert experiment["differences"] == []
    assert "bitwise equal" in (record.parent / "report.md").read_text()
    assert not list((store / "09_reruns").glob("*/*"))


Plant = Callable[[Path, Path], None]


def plant_learning_rate(folder: Path, _rows: Path) -> None:
    run = read_json(folder / "run.json")
    run["params"]["training"]["lr"] = 2e-4
    write_json(folder / "run.json", run)


def plant_library(folder: Path, _rows: Path) -> None:
    run = read_json(folder / "run.json")
    run["provenance"]["libraries"]["torch"] = "2.12.0"
    write_json(folder / "run.json", run)


def plant_row(folder: Path, rows: Path) -> None:
    lines = (rows / "train.csv").read_text().splitlines()
    sentence, label = lines[7].rsplit(",", 1)
    lines[7] = f"{sentence},{1 - int(label)}"
    (rows / "train.csv").write_text("\n".join(lines) + "\n")
    run = read_json(folder / "run.json")
    run["params"]["task"]["path"] = str(rows)
    write_json(folder / "run.json", run)


def plant_damage(folder: Path, _rows: Path) -> None:
    store = folder.parents[3]
    (event_log,) = store.glob("06_models/teachers/*/*/events.jsonl")
    event_log.write_bytes(b"\x00" + event_log.read_bytes()[1:])
    (scores,) = store.glob(f"07_model_output/scores/*/{folder.name}-*/scores.json")
    scores.write_text("{")


def planted(finished: Path, root: Path, plant: Plant) -> Path:
    """A copy of the finished student with one thing changed, sealed as if it had been so."""
    shutil.copytree(finished / "data", root / "data")
    shutil.copytree(finished / "rows", root / "rows")
    folder = root / "data" / STUDENTS / student_of(finished).name
    plant(folder, root / "rows")
    facts = read_manifest(folder) or {}
    seal(folder, {name: value for name, value in facts.items() if name != "files"})
    return folder


PLANTS: dict[str, Plant] = {
    "learning rate": plant_learning_rate,
    "library": plant_library,
    "row": plant_row,
    "damage": plant_damage,
}


@pytest.fixture(scope="module")
def planted_results(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rerun]:
    """One rerun of four originals with one planted change each."""
    root = tmp_path_factory.mktemp("planted")
    store = root / "store"
    store.mkdir()
    originals = [planted(finished, root / name, plant) for name, plant in PLANTS.items()]
    plans = [plan_rerun(read_run(o), finished, store, here=False) for o in originals]
    setting = Setting(finished, None, store, None, False, "kedro rerun", lambda line: None)
    result, _ = run_again(setting, plans, "planted", "0" * 64)
    return dict(zip(PLANTS, result.experiments, strict=True))


def test_a_planted_learning_rate_is_named(planted_results: dict[str, Rerun]) -> None:
    experiment = planted_results["learning rate"]
    assert experiment.verdict == DRIFTED
    assert [difference.kind for difference in experiment.differences] == ["parameters"]
    teacher, student = experiment.models
    assert teacher.bitwise
    assert student.losses.rate_from == 1
    assert student.weights[0] != student.weights[1]


def test_a_planted_library_is_named_and_changes_nothing(
    planted_results: dict[str, Rerun],
) -> None:
    experiment = planted_results["library"]
    assert experiment.verdict == BITWISE
    (difference,) = experiment.differences
    assert (difference.kind, difference.what, difference.then) == ("libraries", "torch", "2.12.0")


def test_a_planted_row_is_drift_and_counted(planted_results: dict[str, Rerun]) -> None:
    experiment = planted_results["row"]
    assert experiment.verdict == DRIFTED
    assert [difference.what for difference in experiment.differences] == ["raw data (train)"]
    assert "data changed, train: 1 of 48 rows" in experiment.something_else
    assert [model.stage for model in experiment.models] == ["teacher", "student"]
    assert not any(model.bitwise for model in experiment.models)


def test_damaged_files_are_named_and_all_else_is_compared(
    planted_results: dict[str, Rerun],
) -> None:
    experiment = planted_results["damage"]
    assert experiment.verdict == DRIFTED
    assert [(d.kind, d.what) for d in experiment.differences] == [
        ("damage", "scores.json of the student's scores"),
        ("damage", "events.jsonl of the teacher"),
    ]
    teacher, student = experiment.models
    assert not teacher.losses.readable
    assert "cannot be read" in (student.missing or "")
    assert student.losses.equal
    assert all(one.weights[0] == one.weights[1] for one in (teacher, student))


def git(root: Path, *command: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(root), *who, *command], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_changed_code_is_left_aside_for_the_recorded_commit(tmp_path: Path, kedro: Kedro) -> None:
    root = tiny_project(tmp_path / "project")
    source = root / "src" / "alpkd_pipeline"
    shutil.copytree(PROJECT / "src" / "alpkd_pipeline", source)
    (root / ".gitignore").write_text("__pycache__/\ndata/\nlogs/\nconf/local/*\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "first")
    own = {"PYTHONPATH": str(root / "src")}
    done = kedro("run", "--pipeline=distill", f"--params={TINY}", cwd=root, env=own)
    assert done.returncode == 0, done.stderr
    name = student_of(root).name
    loss = source / "distillation" / "losses" / "soft.py"
    text = loss.read_text()
    assert "return divergence * temperature**2" in text
    changed = text.replace("divergence * temperature**2", "divergence * temperature**2 * 1.5")
    loss.write_text(changed)

    done = kedro("rerun", name, cwd=root, env=own)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"commit {git(root, 'rev-parse', 'HEAD')[:8]}" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{BITWISE}: {name}"
    assert git(root, "worktree", "list").count("\n") == 0

    here = kedro("rerun", name, "--here", "--dry-run", cwd=root, env=own)
    assert "with today's code" in here.stdout
    assert "code of the student" in here.stdout
