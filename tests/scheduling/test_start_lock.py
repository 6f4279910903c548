from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alpkd_pipeline.scheduling.start import held

HOLDER = """
import sys, time
from pathlib import Path
from alpkd_pipeline.scheduling.start import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def is_held(path: Path) -> bool:
    with held(path) as descriptor:
        return descriptor is None


def test_a_second_process_is_turned_away_until_the_first_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        assert is_held(lock)
    finally:
        holder.kill()
        holder.communicate()
    assert not is_held(lock)
    with held(lock) as descriptor:
        assert descriptor is not None
        assert is_held(lock)


def test_who_inherits_the_descriptor_holds_the_lock(tmp_path: Path) -> None:
    """As a command does whose parent was killed."""
    with held(tmp_path / "lock") as descriptor:
        assert descriptor is not None
        child = subprocess.Popen(["sleep", "60"], pass_fds=[descriptor])
    try:
        assert is_held(tmp_path / "lock")
    finally:
        child.kill()
        child.wait()
    assert not is_held(tmp_path / "lock")


def test_an_error_inside_passes_and_lets_go(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError), held(tmp_path / "lock"):
        raise BlockingIOError
    assert not is_held(tmp_path / "lock")
