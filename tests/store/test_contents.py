"""Every byte of every file."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.store.stores import SmallStore, bad, files_of

from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.verify import verify_store


def flipped(data: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]


def cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


@pytest.mark.parametrize("harm", [flipped, cut])
def test_any_changed_byte_of_any_file_is_named(
    store: SmallStore, harm: Callable[[bytes, random.Random], bytes]
) -> None:
    draw = random.Random(0)
    for path in files_of(store.root):
        whole = path.read_bytes()
        path.write_bytes(harm(whole, draw))
        found = bad(verify_store(store.root, [path.parent]))
        named = [store.root / finding.folder / finding.file for finding in found]
        assert path in named, f"{path}: {path.read_bytes()!r}"
        path.write_bytes(whole)
    assert verify_store(store.root).findings == []


def test_damage_says_both_hashes_and_what_to_type(store: SmallStore) -> None:
    folder = store.folder("small")
    (folder / "data.bin").write_bytes(b"0" * 64)
    (found,) = bad(verify_store(store.root))
    assert (found.state, found.kind, found.file) == ("damaged", "student", "data.bin")
    assert found.expected == read_json(folder / "manifest.json")["files"]["data.bin"]["sha256"]
    assert len(found.found) == 64
    assert found.found != found.expected
    assert found.do == f"rm -r {folder}, then kedro run --pipeline=distill --params=name=small"


def test_a_missing_file_is_bad_and_an_extra_one_is_only_named(store: SmallStore) -> None:
    (store.folder("small") / "data.bin").unlink()
    (store.folder("big") / "notes.txt").write_text("mine")
    report = verify_store(store.root)
    assert [(f.state, f.kind, f.file) for f in report.findings] == [
        ("extra", "teacher", "notes.txt"),
        ("missing", "student", "data.bin"),
    ]
    assert not report.is_sound
    assert report.bad_folders("student") == 1
    assert report.bad_folders("teacher") == 0
