"""Hashes of many files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from alpkd_pipeline.store import contents
from alpkd_pipeline.store import contents as module
from alpkd_pipeline.store.contents import hash_all


def test_every_file_gets_its_own_hash_and_every_byte_is_counted(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 100)  # files of none, of part of, and of many chunks
    contents = [bytes([n]) * (n * 37) for n in range(60)]
    for n, data in enumerate(contents):
        (tmp_path / str(n)).write_bytes(data)
    read: list[int] = []
    found = dict(hash_all(((n, tmp_path / str(n)) for n in range(60)), read.append))
    assert found == {n: hashlib.sha256(data).hexdigest() for n, data in enumerate(contents)}
    assert sum(read) == sum(map(len, contents))


def test_files_are_asked_for_only_as_threads_become_free(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    asked = 0

    def jobs():
        nonlocal asked
        for n in range(10_000):
            asked += 1
            yield n, tmp_path / "a"

    hashes = hash_all(jobs())
    next(hashes)
    hashes.close()
    assert asked <= 4 * contents.MOST_THREADS


def test_what_cannot_be_read_is_an_answer_too(tmp_path: Path) -> None:
    ((_, found),) = hash_all([(0, tmp_path / "nowhere")])
    assert isinstance(found, FileNotFoundError)
