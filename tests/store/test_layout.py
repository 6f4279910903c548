"""What lies in a store."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.conftest import PROJECT
from tests.store.stores import SmallStore

from alpkd_pipeline.store import layout
from alpkd_pipeline.store.layout import (
    ARTIFACT_TYPES,
    Entry,
    entries,
    reruns,
    stores_of,
)


def states(store: SmallStore) -> dict[str, str]:
    return {entry.path.name: entry.state for entry in entries(store.root)}


def of(store: SmallStore, name: str) -> Entry:
    return next(entry for entry in entries(store.root) if entry.path.name == name)


def test_every_folder_of_the_catalog_is_a_kind() -> None:
    """A stage that is added has to be verified and pruned too."""
    text = (PROJECT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"^\|[^|]+\|[^|]+\| `(\d\d_\w+/\w+)/", text, re.MULTILINE))
    assert named == {kind.place for kind in ARTIFACT_TYPES}


def test_states_by_names(store: SmallStore) -> None:
    folder = store.folder("small")
    hexes = "0" * 32
    for name in (
        f".{folder.name}.{hexes}.old",
        f".{folder.name}.{hexes}.pruned",
        "x-1a2b3c4d.work",
    ):
        shutil.copytree(folder, folder.with_name(name))
    (folder.parent / "y-1a2b3c4d").mkdir()
    (folder.parent / "notes").mkdir()
    (folder.parent / ".locks").mkdir()
    found = states(store)
    assert found[folder.name] == "published"
    assert found[f".{folder.name}.{hexes}.old"] == "aside"
    assert found[f".{folder.name}.{hexes}.pruned"] == "left over"
    assert found["x-1a2b3c4d.work"] == "work"
    assert found["y-1a2b3c4d"] == "unsealed"
    assert not {"notes", ".locks"} & found.keys()


def test_all_states_of_a_result_share_its_lock(store: SmallStore) -> None:
    folder = store.folder("small")
    for name in (f".{folder.name}.{'0' * 32}.old", f"{folder.name}.work"):
        shutil.copytree(folder, folder.with_name(name))
        assert of(store, name).final == folder


def test_a_name_that_has_dots_keeps_them(store: SmallStore) -> None:
    (store.folder("small").with_name("bert-1.5-1a2b3c4d.work")).mkdir()
    entry = of(store, "bert-1.5-1a2b3c4d.work")
    assert (entry.final.name, entry.key8) == ("bert-1.5-1a2b3c4d", "1a2b3c4d")


def test_stores_of_reruns(store: SmallStore) -> None:
    assert reruns(store.root) == []
    for name in ("b", "a", ".locks"):
        (store.root / "09_reruns" / name).mkdir(parents=True)
    assert [path.name for path in reruns(store.root)] == ["a", "b"]


def test_a_rerun_has_a_store_for_each_commit_that_it_ran(store: SmallStore) -> None:
    rerun = store.root / "09_reruns" / "a"
    for name in ("commit-22222222", "commit-11111111", "code-11111111", "06_models"):
        (rerun / name).mkdir(parents=True)
    (rerun / "commit-notes.txt").write_text("")
    assert [path.name for path in reruns(store.root)] == ["a"]
    assert [path.name for path in stores_of(rerun)] == ["a", "commit-11111111", "commit-22222222"]


def test_an_empty_place_has_nothing(store: SmallStore) -> None:
    assert list(entries(store.root / "nowhere")) == []


def test_no_other_file_knows_the_names_of_a_stores_folders() -> None:
    named = re.compile(r"\b0[1-9]_[a-z]")
    package = Path(layout.__file__).parents[1]
    files = [path for path in package.rglob("*.py") if named.search(path.read_text("utf-8"))]
    assert files == [Path(layout.__file__)]
