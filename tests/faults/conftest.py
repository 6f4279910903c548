"""The campaign of `make test-faults`: real faults, in processes of their own, counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.faults.clones import clone_students
from tests.faults.commands import SMALL, Prepared, kedro
from tests.faults.forked_commands import warm
from tests.faults.record import times
from tests.faults.trainings import World

HERE = Path(__file__).parent

CLONES = 40
"""How many students one command meets, each with one damaged file."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this folder belongs to the campaign."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Data, teacher and signals for small trainings."""
    import alpkd_pipeline.training.dispatch  # noqa: F401  forks then begin with torch imported

    return World(tmp_path_factory.mktemp("world")).build()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A store with data, teacher and signals, for students that commands train."""
    return Prepared(tmp_path_factory.mktemp("prepared")).build()


@pytest.fixture(scope="session")
def small() -> str:
    """The parameters of `stores`."""
    return f"{SMALL.replace('student.layers=1', 'student.layers=2')},training.epochs=1"


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory, small: str) -> list[Path]:
    """Two stores with one student of which everything is measured."""
    warm()
    root = tmp_path_factory.mktemp("stores")
    made, log = root / "0", root / "made.txt"
    given = f"--params=run.store={made},run.tracking=off,{small}"
    assert kedro("run", "--pipeline=evaluate", given, log=log).wait(600) == 0, log.read_text()
    return [made, Path(shutil.copytree(made, root / "1"))]


@pytest.fixture(scope="session")
def clones(tmp_path_factory: pytest.TempPathFactory, stores: list[Path]) -> list[Path]:
    """The same with the student and all that was measured of it many times."""
    root = tmp_path_factory.mktemp("clones")
    made = [Path(shutil.copytree(store, root / store.name)) for store in stores]
    for store in made:
        clone_students(store, min(CLONES, times(200)))
    return made
