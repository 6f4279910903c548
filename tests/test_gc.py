"""Programs of the project search for garbage seldom; importing the package changes nothing."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpkd_pipeline.gc import OBJECTS, collect_seldom, collected_seldom

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def thresholds() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_only_the_first_number_changes(thresholds: tuple[int, int, int]) -> None:
    collect_seldom()
    assert gc.get_threshold() == (OBJECTS, *thresholds[1:])


def test_a_part_of_a_process_leaves_it_as_it_was(thresholds: tuple[int, int, int]) -> None:
    with collected_seldom():
        assert gc.get_threshold()[0] == OBJECTS
    assert gc.get_threshold() == thresholds
    with pytest.raises(KeyError), collected_seldom():
        raise KeyError
    assert gc.get_threshold() == thresholds


def test_gc_is_still_found(thresholds: tuple[int, int, int]) -> None:
    collect_seldom()
    before = searches()
    kept = [[] for _ in range(OBJECTS + 1000)]
    assert searches() > before
    assert kept


def searches() -> int:
    """How often this process has searched, in whichever generation."""
    return sum(run_type["collections"] for run_type in gc.get_stats())


@pytest.mark.parametrize(
    ("program", "seldom"),
    [
        ("import alpkd_pipeline, alpkd_pipeline.training.run_config", False),
        ("import alpkd_pipeline.cli", True),
        (
            "from alpkd_pipeline.training.__main__ import main\ntry: main()\nexcept SystemExit: 0",
            True,
        ),
        (
            "import queue\nfrom alpkd_pipeline.experiments import worker\n"
            "jobs = queue.SimpleQueue()\njobs.put(None)\n"
            "sys.argv, worker.lines_to_come = ['worker', '.', ''], lambda stop: jobs\n"
            "worker.main()",
            True,
        ),
        ("from alpkd_pipeline.__main__ import main\ntry: main()\nexcept SystemExit: 0", True),
    ],
    ids=["library", "kedro", "training", "worker", "package"],
)
def test_programs_search_seldom(program: str, seldom: bool) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import gc, sys; sys.argv[1:] = ['--help']\n"
            f"{program}\nprint(gc.get_threshold()[0], file=sys.stderr)",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (int(done.stderr.splitlines()[-1]) == OBJECTS) == seldom
