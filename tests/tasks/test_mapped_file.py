from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.disks import small_disk

from alpkd_pipeline.tasks.mapped_file import release_pages, reserve

MEGABYTE = 1_000_000


def map_file(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def mapped_megabytes() -> float:
    """Of files that this process holds in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssFile:"))
    return int(kilobytes) * 1024 / MEGABYTE


def test_its_bytes_stay_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"some bytes")
    pages = map_file(tmp_path / "file")
    assert bytes(pages[5:]) == b"bytes"
    release_pages(pages)
    assert bytes(pages[5:]) == b"bytes"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_pages_are_given_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(50 * MEGABYTE))
    pages = map_file(tmp_path / "file")
    values = np.frombuffer(pages, dtype=np.uint8)
    before = mapped_megabytes()
    assert values.sum() == 0
    assert mapped_megabytes() > before + 45
    release_pages(pages)
    assert mapped_megabytes() < before + 5


@pytest.mark.skipif(sys.platform != "linux", reason="reserving is Linux's")
def test_a_file_without_room_is_an_error_before_its_pages_are_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk:
        path = disk / "train.layers.npy"
        with path.open("wb") as file:
            file.truncate(4 * MEGABYTE)  # all holes: it takes no room yet
        with pytest.raises(OSError, match=r"No space left.*train\.layers\.npy"):
            reserve(path)
        with path.open("r+b") as file:
            file.truncate(MEGABYTE // 2)
        reserve(path)
        assert path.stat().st_blocks * 512 >= MEGABYTE // 2
