from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from alpkd_pipeline.store.manifest import (
    describe,
    is_complete,
    publish,
    read_manifest,
    seal,
    write_json,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "result"
    (made / "sub").mkdir(parents=True)
    (made / "a.bin").write_bytes(bytes(range(256)))
    (made / "sub" / "b.txt").write_text("hello")
    (made / ".state").write_text("not a result")
    return made


def test_seal_lists_every_file_but_dot_files(folder: Path) -> None:
    manifest = seal(folder, {"key": "k"})
    assert set(manifest["files"]) == {"a.bin", "sub/b.txt"}
    assert manifest["files"]["sub/b.txt"]["bytes"] == 5
    # sha256("hello")
    assert manifest["files"]["sub/b.txt"]["sha256"].startswith("2cf24dba5fb0a30e26e83b2ac5b9e29e")


def test_a_folder_without_a_manifest_is_not_there(folder: Path) -> None:
    assert not is_complete(folder)
    seal(folder, {"key": "k"})
    assert is_complete(folder)
    assert is_complete(folder, "k")
    assert not is_complete(folder, "other")


def test_a_missing_or_shorter_file_makes_it_incomplete(folder: Path) -> None:
    seal(folder, {"key": "k"})
    (folder / "a.bin").write_bytes(b"short")
    assert not is_complete(folder)
    (folder / "a.bin").unlink()
    assert not is_complete(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "k"}'])
def test_a_broken_manifest_is_none(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    assert read_manifest(folder) is None
    assert not is_complete(folder)


def test_publish_replaces_an_older_result_and_leaves_nothing_behind(folder: Path) -> None:
    final = folder.parent / "final"
    final.mkdir()
    (final / "old.txt").write_text("old")
    publish(folder, final, {"key": "new"})
    assert is_complete(final, "new")
    assert not (final / "old.txt").exists()
    assert [p.name for p in final.parent.iterdir()] == ["final"]


def test_write_json_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"good": 1})
    with pytest.raises(TypeError):
        write_json(path, {"bad": object()})
    assert json.loads(path.read_text()) == {"good": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_describe_is_sorted_by_name(folder: Path) -> None:
    assert list(describe(folder)) == ["a.bin", "sub/b.txt"]


def test_every_flipped_bit_in_the_manifest_itself_is_found(folder: Path) -> None:
    written = seal(folder, {"key": "k", "made_from": {"splits": "s"}})
    assert read_manifest(folder) == written
    path = folder / "manifest.json"
    original = path.read_bytes()
    for place in range(len(original)):
        for bit in range(8):
            damaged = bytearray(original)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            assert read_manifest(folder) is None, (place, bit)


def test_a_manifest_without_a_hash_of_its_own_still_counts(folder: Path) -> None:
    manifest = seal(folder, {"key": "k"})
    write_json(folder / "manifest.json", {n: manifest[n] for n in ("key", "files")})
    assert is_complete(folder, "k")


def test_a_file_that_has_grown_makes_it_incomplete(folder: Path) -> None:
    """An event log, say, that a process without the lock went on writing to."""
    seal(folder, {"key": "k"})
    with (folder / "a.bin").open("ab") as file:
        file.write(b"!")
    assert not is_complete(folder, "k")


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a name without contents would stand where the old file was."""
    path, seen = tmp_path / "x.json", []
    sync, replace = os.fsync, os.replace

    def watched_sync(handle: int) -> None:
        sync(handle)
        seen.append(("on the disk", os.fstat(handle).st_ino, os.fstat(handle).st_size))

    def watched_replace(source: Path, target: Path) -> None:
        seen.append(("named", os.stat(source).st_ino, os.stat(source).st_size))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_json(path, {"a": [1] * 1000})
    written = (path.stat().st_ino, path.stat().st_size)
    assert seen == [("on the disk", *written), ("named", *written)]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_others_may_read_what_the_umask_lets_them(folder: Path, umask: int, mode: int) -> None:
    """safetensors writes weights for their owner alone."""
    (folder / "sub" / "b.txt").chmod(0o600)
    final, before = folder.parent / "final", os.umask(umask)
    try:
        publish(folder, final, {"key": "k"})
    finally:
        left = os.umask(before)
    assert (final / "sub" / "b.txt").stat().st_mode & 0o777 == mode
    assert left == umask
