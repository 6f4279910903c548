"""Manifests, read with distrust."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.store.stores import SmallStore

from alpkd_pipeline.store.contents import UnreadableError, check_contents, read_sealed
from alpkd_pipeline.store.manifest import MANIFEST, read_json, write_json


@pytest.fixture
def folder(store: SmallStore) -> Path:
    return store.folder("small")


def look(folder: Path) -> list[tuple[str, str]]:
    found = check_contents("student", {folder: "small"}, Counter(), lambda count: None)
    return [(each.state, each.file) for each in found.get(folder, [])]


def test_a_manifest_says_what_it_was_given(store: SmallStore, folder: Path) -> None:
    sealed = read_sealed(folder)
    assert sealed["stage"] == "student"
    assert sealed["made_from"]["teacher"] == store.key("big")
    sizes = {name: (folder / name).stat().st_size for name in sealed["files"]}
    assert {name: file["bytes"] for name, file in sealed["files"].items()} == sizes
    assert look(folder) == []


def test_every_byte_counts(folder: Path) -> None:
    path = folder / MANIFEST
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
        )
        with pytest.raises(UnreadableError):
            read_sealed(folder)


NEW = ("schema", "sha256")


def test_a_manifest_of_an_older_version_has_no_hash_of_itself(folder: Path) -> None:
    facts = read_json(folder / MANIFEST)
    write_json(folder / MANIFEST, {k: v for k, v in facts.items() if k not in NEW})
    assert read_sealed(folder)["key"] == facts["key"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"files": 3}', '{"files": {"a": 1}}'])
def test_what_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(UnreadableError, match="not a manifest"):
        read_sealed(folder)


def test_a_missing_one_is_said_to_be(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(UnreadableError, match="missing"):
        read_sealed(folder)


def test_files_that_are_not_listed_or_not_there(folder: Path) -> None:
    (folder / "data.bin").rename(folder / "other.bin")
    (folder / ".mlflow.json").write_text("{}")
    assert look(folder) == [("missing", "data.bin"), ("extra", "other.bin")]
    assert not [name for name in read_sealed(folder)["files"] if re.match(r"\.", name)]
