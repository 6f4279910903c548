"""The campaign of `make test-faults`: real faults, in processes of their own, counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.behaviour.conftest import Demo
from tests.conftest import Kedro
from tests.faults.commands import Prepared
from tests.faults.trainings import World

HERE = Path(__file__).parent


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
def demo(tmp_path_factory: pytest.TempPathFactory, kedro: Kedro) -> Demo:
    """A store with the finished demo cell."""
    made = Demo(tmp_path_factory.mktemp("demo"), kedro)
    done = made.run("student.layers=2")
    assert done.returncode == 0, done.stderr
    return made
