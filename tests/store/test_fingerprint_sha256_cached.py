from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from alpkd_pipeline.store import fingerprint
from alpkd_pipeline.store.fingerprint import sha256_cached

OLD = 1_700_000_000


def write(path: Path, data: bytes, age_to: int = OLD) -> Path:
    path.write_bytes(data)
    os.utime(path, (age_to, age_to))
    return path


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were really read."""
    read: list[Path] = []
    plain = fingerprint.sha256_file
    monkeypatch.setattr(fingerprint, "sha256_file", lambda p: read.append(p) or plain(p))
    return read


def test_a_file_is_read_once(tmp_path: Path, counted: list[Path]) -> None:
    path, cache = write(tmp_path / "weights", b"abc"), tmp_path / "deep" / "cache.json"
    assert [sha256_cached(path, cache) for _ in range(3)] == [digest(b"abc")] * 3
    assert len(counted) == 1


def test_without_a_cache_it_is_read_each_time(tmp_path: Path, counted: list[Path]) -> None:
    path = write(tmp_path / "weights", b"abc")
    assert sha256_cached(path, None) == sha256_cached(path, None) == digest(b"abc")
    assert len(counted) == 2


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "weights", b"abc"), tmp_path / "cache.json"
    sha256_cached(path, cache)
    write(path, b"abd", age_to=OLD + 1)
    assert sha256_cached(path, cache) == digest(b"abd")


def test_a_change_that_hides_its_time_and_size_is_found(tmp_path: Path) -> None:
    path, cache = write(tmp_path / "weights", b"abc"), tmp_path / "cache.json"
    sha256_cached(path, cache)
    write(path, b"abd", age_to=OLD)
    assert sha256_cached(path, cache) == digest(b"abd")


def test_a_file_written_just_now_is_not_remembered(tmp_path: Path, counted: list[Path]) -> None:
    path, cache = tmp_path / "weights", tmp_path / "cache.json"
    path.write_bytes(b"abc")
    sha256_cached(path, cache)
    sha256_cached(path, cache)
    assert len(counted) == 2
    assert not cache.exists()


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"x": 3}', "\x00"])
def test_a_broken_cache_costs_time_only(tmp_path: Path, broken: str) -> None:
    path, cache = write(tmp_path / "weights", b"abc"), tmp_path / "cache.json"
    cache.write_text(broken.replace("x", str(path.resolve())))
    assert sha256_cached(path, cache) == digest(b"abc")
    assert list(json.loads(cache.read_text())) == [str(path.resolve())]


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    path = write(tmp_path / "weights", b"abc")
    (tmp_path / "file").write_text("")
    assert sha256_cached(path, tmp_path / "file" / "cache.json") == digest(b"abc")


def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    gone, stays = write(tmp_path / "a", b"a"), write(tmp_path / "b", b"b")
    sha256_cached(gone, cache)
    gone.unlink()
    sha256_cached(stays, cache)
    assert list(json.loads(cache.read_text())) == [str(stays.resolve())]


def test_a_link_and_its_file_share_an_entry(tmp_path: Path, counted: list[Path]) -> None:
    path, cache = write(tmp_path / "blob", b"abc"), tmp_path / "cache.json"
    link = tmp_path / "model.safetensors"
    link.symlink_to(path)
    assert sha256_cached(link, cache) == sha256_cached(path, cache)
    assert len(counted) == 1


def _hash_all(folder: str) -> list[str]:
    files = sorted(Path(folder).glob("f*"))
    return [sha256_cached(path, Path(folder) / "cache.json") for path in files]


def test_several_processes_share_a_cache(tmp_path: Path) -> None:
    for i in range(10):
        write(tmp_path / f"f{i}", bytes([i]))
    with multiprocessing.get_context("fork").Pool(4) as pool:
        found = pool.map(_hash_all, [str(tmp_path)] * 8)
    assert found == [[digest(bytes([i])) for i in range(10)]] * 8
    assert json.loads((tmp_path / "cache.json").read_text())
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_another_file_in_its_place_is_read_again(tmp_path: Path, counted: list[Path]) -> None:
    """An older cache knew no inodes; what it holds is not trusted."""
    path, cache = write(tmp_path / "weights", b"abc"), tmp_path / "cache.json"
    sha256_cached(path, cache)
    known = json.loads(cache.read_text())
    known[str(path.resolve())]["stamp"].pop()
    cache.write_text(json.dumps(known))
    sha256_cached(path, cache)
    assert len(counted) == 2
    known[str(path.resolve())]["stamp"] = [*fingerprint._stamp(path)[:-1], 0]
    cache.write_text(json.dumps(known))
    sha256_cached(path, cache)
    assert len(counted) == 3
