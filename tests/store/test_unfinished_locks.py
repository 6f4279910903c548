"""Who is at work on what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from tests.disks import small_disk
from tests.store.stores import SmallStore

from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.unfinished import busy, is_held, taken

HOLD = """
import filelock, sys
lock = filelock.FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
input()
"""


def test_a_lock_of_another_process_is_held_until_it_is_killed(tmp_path: Path) -> None:
    lock = lock_file(tmp_path / "result")
    assert not is_held(lock)
    lock.parent.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert is_held(lock)
        with taken(lock_file(tmp_path / "result")) as mine:
            assert not mine
        process.kill()
    assert not is_held(lock)


def test_a_lock_can_be_taken_once(tmp_path: Path) -> None:
    with taken(lock_file(tmp_path / "result")) as mine:
        assert mine
        assert is_held(lock_file(tmp_path / "result"))
    assert not is_held(lock_file(tmp_path / "result"))


def test_nobody_is_at_work_where_nothing_can_be_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        result = disk / "result"
        with taken(lock_file(result)) as mine:
            assert mine
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert not is_held(lock_file(result))
        with pytest.raises(OSError, match="Read-only"), taken(lock_file(result)):
            pass


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    assert not is_held(lock_file(tmp_path / "result"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_being_made_in_a_store(store: SmallStore) -> None:
    assert busy(store.root) == []
    comparison = store.root / "08_reporting/comparison/1a2b3c4d"
    search = store.root / "08_reporting/searches/search-1"
    for path in (store.folder("small"), comparison, search):
        lock_file(path).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock_file(path)):
            assert busy(store.root) == [path]
