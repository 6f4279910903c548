"""MLflow's own pages, opened by the links that we print: what a person sees without a click."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.databases import initialised_database
from tests.tracking.conftest import Training
from tests.tracking.test_server import Server

from alpkd_pipeline.store.manifest import publish, write_json
from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.group import close_group, open_group
from alpkd_pipeline.tracking.links import comparison_lines, group_lines, run_lines
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"
    ),
]

GROUP = "sweep-mrpc-20260101T000000"
GROUPED = {"mrpc-6to3-kd-s1-aaaa": 0.811, "mrpc-6to3-alp_kd-s1-bbbb": 0.937}
ALONE = "mrpc-6to3-pkd-s1-cccc"
TEACHER = "mrpc-teacher-demo-s0-dddd"

Open = Callable[..., str]


@dataclass(frozen=True)
class World:
    """A server with a sweep of two students and their teacher, and a student of nobody's sweep."""

    settings: TrackingSettings
    students: tuple[Path, ...]
    alone: Path


def trained(store: Path, number: int, name: str, score: float | None, **run: Any) -> Path:
    """A finished training in a store, and its scores."""
    kind, key = f"{run.get('stage', 'student')}s", f"{number:064x}"
    place = store / "06_models" / kind / "mrpc"
    made = Training(place, name, key=key, **run)
    made.run["name"] = name
    method = re.search(r"to3-(\w+)-", name)
    if method:
        made.run["params"]["method"]["name"] = method[1]
    folder = made.begin(time=1.7e9 + number).steps(1, 20).publish()
    if score is not None:
        scores = store / "07_model_output/scores/mrpc" / f"{folder.name}-{number}"
        work = scores.with_name(f"{scores.name}.work")
        found = {"dev": {"rows": 4, "scores": {"accuracy": score, "f1": 0.5}}}
        write_json(work / "scores.json", {"splits": found})
        publish(work, scores, {"key": str(number), "made_from": {kind[:-1]: key}})
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, free_port: int) -> Iterator[World]:
    root = tmp_path_factory.mktemp("mlflow-ui")
    (root / "server").mkdir()
    shutil.copyfile(initialised_database(tmp_path_factory), root / "server" / "mlflow.db")
    server = Server(root / "server", free_port)
    server.start()
    try:
        yield filled(server, root)
    finally:
        server.kill()


def filled(server: Server, root: Path) -> World:
    settings = tracking_settings(server.address, "alpkd", root)
    assert settings is not None
    store = root / "data"
    open_group(settings, GROUP, kind="sweep", description="Two methods.", params={"seeds": [1]})
    teacher = trained(store, 9, TEACHER, 0.96875, stage="teacher", group=GROUP)
    students = tuple(
        trained(store, number, name, score, group=GROUP)
        for number, (name, score) in enumerate(GROUPED.items(), start=1)
    )
    alone = trained(store, 5, ALONE, 0.5)
    for folder in (teacher, *students, alone):
        sync_folder(folder, settings)
    close_group(settings, GROUP, status="FINISHED", metrics={"cells.done": 2})
    return World(settings, students, alone)


@pytest.fixture
def seen(tmp_path: Path) -> Open:
    """Opens an address in Chromium and returns the words on the page."""

    def open_page(line: str, *, seconds: int = 25) -> str:
        flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-sync"
        flags += " disable-background-networking disable-component-update dump-dom"
        done = subprocess.run(
            [
                str(CHROMIUM),
                *(f"--{flag}" for flag in flags.split()),
                f"--user-data-dir={tmp_path / 'profile'}",
                f"--virtual-time-budget={seconds * 1000}",
                "--window-size=1900,3000",
                line.partition(": ")[2],
            ],
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return words(done.stdout)

    return open_page


def words(page: str) -> str:
    without_code = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_code)).split())


def test_the_sweep_s_students_and_nothing_else(world: World, seen: Open) -> None:
    page = seen(group_lines(world.settings, GROUP, world.students)[0])
    assert "2 matching runs" in page
    for name, score in GROUPED.items():
        assert name in page
        assert str(score)[:5] in page
    assert ALONE not in page
    assert TEACHER not in page


def test_the_best_student_stands_first_in_columns_that_matter(world: World, seen: Open) -> None:
    page = seen(comparison_lines(world.settings, [*world.students, world.alone])[0])
    assert "3 matching runs" in page
    names = [*sorted(GROUPED, key=lambda name: -GROUPED[name]), ALONE]
    places = [page.index(name) for name in names]
    assert places == sorted(places)
    assert TEACHER not in page
    for column in ("score", "parameters.total", "seconds", "method", "layers", "seed", "setup"):
        assert re.search(rf"\b{re.escape(column)}\b", page), column


def test_students_side_by_side(world: World, seen: Open) -> None:
    page = seen(group_lines(world.settings, GROUP, world.students)[2])
    assert "Comparing 2 Runs from 1 Experiment" in page
    assert "Parallel Coordinates Plot" in page
    for name, score in GROUPED.items():
        assert name in page
        assert f"{score:.3f}" in page
    for value in ("method.name", "student.layers", "best.epoch", "final.dev.accuracy"):
        assert value in page


def test_curves_of_students(world: World, seen: Open) -> None:
    page = seen(group_lines(world.settings, GROUP, world.students)[1], seconds=90)
    assert "Model metrics" in page
    for metric in ("dev/accuracy", "watch.attention_entropy.1"):
        for name in GROUPED:
            assert f"{name} ({metric})" in page


def test_a_sweep_is_above_its_trainings(world: World, seen: Open) -> None:
    link = group_lines(world.settings, GROUP, world.students)[0].partition("?")[0]
    page = seen(f"{link}?workflowType=machine_learning")
    # Closed at first, as MLflow shows parents: one row for the sweep, one for the other student.
    assert GROUP in page
    assert ALONE in page
    assert not [name for name in GROUPED if name in page]


def test_a_run_tells_what_it_was(world: World, seen: Open) -> None:
    page = seen(*run_lines(world.settings, world.students[1]))
    assert "mrpc-6to3-alp_kd-s1-bbbb" in page
    assert "A student of 3 layers." in page
    assert "0.9370" in page
    assert "kedro run --pipeline=distill" in page
    assert GROUP in page  # the parent
