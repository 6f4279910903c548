"""What may go."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from filelock import FileLock
from tests.store.conftest import Going
from tests.store.stores import SmallStore, make_older

from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.prune import carry_out, make_plan
from alpkd_pipeline.store.prune_candidates import SETTLED_SECONDS, Choice, size_of
from alpkd_pipeline.store.unfinished import taken
from alpkd_pipeline.store.verify import verify_store

LONG = SETTLED_SECONDS + 60


def test_signals_go_by_option(store: SmallStore, going: Going) -> None:
    assert going(signals=True) == {store.folder("said").name}


def test_results_without_their_model_go_by_option_only(store: SmallStore, going: Going) -> None:
    """An experiment counts as done by its scores: without them it would be trained again."""
    shutil.rmtree(store.folder("small"))
    shutil.rmtree(store.folder("said"))
    assert going() == set()
    ours = ("small-scores", "small-evaluation", "small-latency", "small-layers")
    assert going(without_model=True) == {store.folder(name).name for name in ours}


def test_interrupted_work_that_begins_again_anyway_goes(store: SmallStore, going: Going) -> None:
    work = store.folder("said").with_name("new-12345678.work")
    shutil.copytree(store.folder("said"), work)
    assert going() == set()  # written just now
    make_older(work, LONG)
    assert going() == {work.name}


@pytest.mark.parametrize("text", ["{", "{}", '{"stage": "student", "params": null}'])
def test_an_interrupted_training_goes_by_option_only_whatever_became_of_its_run_json(
    store: SmallStore, going: Going, text: str
) -> None:
    work = store.interrupted("half", "ids")
    (work / "run.json").write_text(text)
    make_older(work, LONG)
    assert going() == set()
    assert going(interrupted=True) == {work.name}


def test_work_under_a_lock_stays(store: SmallStore, going: Going) -> None:
    work = store.interrupted("half", "ids", age=LONG)
    lock = lock_file(work, store.key("half"))
    lock.parent.mkdir()
    with FileLock(lock):
        assert going(interrupted=True) == set()
    assert going(interrupted=True) == {work.name}


def test_what_stepped_aside_goes_once_the_newer_one_is_there(
    store: SmallStore, going: Going
) -> None:
    folder = store.folder("small")
    aside = folder.with_name(f".{folder.name}.{'0' * 32}.old")
    shutil.copytree(folder, aside)
    make_older(aside, LONG)
    assert going() == {aside.name}
    shutil.rmtree(folder)
    assert aside.name not in going()


def test_what_a_killed_process_left_inside_a_result_goes(store: SmallStore, going: Going) -> None:
    folder = store.folder("small")
    for place in (".checkpoints", ".best"):
        (folder / place / "step-00000001").mkdir(parents=True)
    (folder / ".manifest.json.123.tmp").write_text("{")
    assert going() == set()  # its process may be about to remove them
    make_older(folder, LONG)
    with taken(lock_file(folder, store.key("small"))):
        assert going() == set()
    assert going() == {".checkpoints", ".best", ".manifest.json.123.tmp"}
    plan = make_plan(store.root, Choice(), frozenset())
    assert carry_out(plan, plan) == []
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    assert verify_store(store.root).findings == []


def test_the_folder_goes_and_not_its_parts_one_by_one(store: SmallStore, going: Going) -> None:
    work = store.interrupted("half", "ids")
    (work / ".checkpoints" / ".making-7").mkdir()
    make_older(work, LONG)
    assert going() == {".making-7"}
    assert going(interrupted=True) == {work.name}


def test_reruns_and_caches_go_by_option(store: SmallStore, going: Going) -> None:
    SmallStore(store.root / "09_reruns" / "small-20260101").chain()
    (store.root / ".cache").mkdir()
    assert going() == set()
    SmallStore(store.root / "09_reruns" / "small-20260101" / "commit-12345678").chain()
    assert going(reruns=True, caches=True) == {"small-20260101", ".cache"}
    lock = store.root / "09_reruns" / ".locks" / "small-20260101.lock"
    lock.parent.mkdir()
    with FileLock(lock):
        assert going(reruns=True) == set()


def test_folders_that_are_no_results_never_go(store: SmallStore, going: Going) -> None:
    mine = store.root / "06_models/students/mrpc/again"
    mine.mkdir()
    (mine / "run.json").write_text("{}")
    (store.root / "elsewhere" / "06_models").mkdir(parents=True)
    make_older(store.root / "elsewhere", LONG)
    make_older(mine, LONG)
    every = ("signals", "interrupted", "trials", "reruns", "without_model", "caches")
    assert going(**dict.fromkeys(every, True)) == {store.folder("said").name}


def test_links_to_one_file_count_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0" * 1000)
    os.link(tmp_path / "a", tmp_path / "b")
    assert size_of(tmp_path) == 1000


@pytest.mark.parametrize("age", [0.0, LONG])
def test_a_fresh_file_anywhere_keeps_a_folder(store: SmallStore, going: Going, age: float) -> None:
    work = store.interrupted("half", "ids", age=LONG)
    then = time.time() - age
    os.utime(work / "events.jsonl", (then, then))
    assert going(interrupted=True) == ({work.name} if age else set())


def test_names_of_peoples_own_change_nothing(store: SmallStore, going: Going) -> None:
    """What is needed by its key stays, whatever it is called, and so do copies of it."""
    for name in ("rows", "ids", "said", "big", "small"):
        folder = store.folder(name)
        folder.rename(folder.with_name(f"{name} of mine"))
        shutil.copytree(folder.with_name(f"{name} of mine"), folder.with_name(f"{name}-20261128"))
    assert going() == set()
    assert going(without_model=True) == set()
    assert going(signals=True) == {"said of mine", "said-20261128"}
