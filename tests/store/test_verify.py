"""`verify_store`: the whole story."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock
from tests.renames import at_every_look, before_look
from tests.store.stores import SmallStore, bad, files_of

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import lock_file, write_json
from alpkd_pipeline.store.verify import verify_store


def test_a_whole_store_is_sound_and_everything_in_it_is_counted(store: SmallStore) -> None:
    report = verify_store(store.root)
    assert report.is_sound
    assert report.findings == []
    listed = [path for path in files_of(store.root) if path.name != "manifest.json"]
    assert sum(count["files"] for count in report.counts.values()) == len(listed)
    read = sum(count["bytes"] for count in report.counts.values())
    assert read == sum(path.stat().st_size for path in listed)
    folders = {kind: count["folders"] for kind, count in report.counts.items() if count["folders"]}
    assert folders == {
        "splits": 1,
        "encoded": 1,
        "signals": 1,
        "teacher": 1,
        "student": 1,
        "scores": 2,
        "evaluation": 2,
        "latency": 2,
        "geometry": 1,
        "comparison": 1,
    }


def test_stores_of_reruns_are_looked_at_too(store: SmallStore) -> None:
    again = SmallStore(store.root / "09_reruns" / "small-20260101").chain()
    assert verify_store(store.root).counts["rerun"]["folders"] == 13
    (again.folder("small") / "data.bin").write_bytes(b"")
    (found,) = bad(verify_store(store.root))
    assert found.kind == "rerun"
    assert found.folder.startswith("09_reruns/small-20260101/06_models")


def test_what_a_commit_made_in_a_rerun_is_looked_at_under_the_lock_of_the_rerun(
    store: SmallStore,
) -> None:
    rerun = store.root / "09_reruns" / "small-20260101"
    inner = SmallStore(rerun / "commit-abcdef12").chain()
    assert verify_store(store.root).counts["rerun"]["folders"] == 13
    (inner.folder("small") / "data.bin").write_bytes(b"")
    (found,) = bad(verify_store(store.root))
    assert found.folder.startswith("09_reruns/small-20260101/commit-abcdef12/06_models")
    assert not verify_store(store.root, [rerun / "commit-abcdef12"]).is_sound
    lock = lock_file(rerun)
    lock.parent.mkdir()
    with FileLock(lock):
        assert verify_store(store.root).is_sound


def test_a_path_limits_the_look(store: SmallStore) -> None:
    (store.folder("small") / "data.bin").write_bytes(b"")
    assert verify_store(store.root, [store.folder("big")]).is_sound
    assert not verify_store(store.root, [store.root / "06_models"]).is_sound
    assert not verify_store(store.root, [store.root]).is_sound


def test_a_path_elsewhere_is_refused(store: SmallStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match="nothing of the store"):
        verify_store(store.root, [tmp_path / "elsewhere"])


def test_nothing_is_written(store: SmallStore) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    verify_store(store.root)
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


def test_a_folder_of_the_store_on_another_disk_is_looked_at_by_either_name(
    store: SmallStore, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    models = store.root / "06_models"
    models.rename(disk)
    models.symlink_to(disk)
    assert verify_store(store.root).is_sound
    (store.folder("small") / "data.bin").write_bytes(b"")
    for paths in ([], [store.root], [models], [disk], [models / "students"]):
        assert len(bad(verify_store(store.root, paths))) == 1, paths


# Folders that are renamed while somebody looks ---------------------------------------------------


@pytest.fixture
def few(tmp_path: Path) -> SmallStore:
    """A store that is looked at in few looks."""
    made = SmallStore(tmp_path / "few")
    made.add("encoded", "ids")
    made.add("student", "small", "ids")
    return made


@pytest.mark.parametrize("name", ["small", "ids"])
def test_a_folder_that_is_renamed_between_two_looks_is_no_damage(
    few: SmallStore, name: str
) -> None:
    store, folder = few, few.folder(name)
    elsewhere = folder.with_name("elsewhere")
    for number in at_every_look(store.root, lambda: verify_store(store.root)):
        with before_look(number, store.root, lambda: folder.rename(elsewhere)):
            report = verify_store(store.root)
        assert report.is_sound, (number, bad(report))
        elsewhere.rename(folder)


def test_a_folder_that_is_renamed_there_and_back_is_no_damage(few: SmallStore) -> None:
    store = few
    folder = store.folder("small")
    elsewhere = folder.with_name("elsewhere")
    there, back = (lambda: folder.rename(elsewhere)), (lambda: elsewhere.rename(folder))
    for number in at_every_look(store.root, lambda: verify_store(store.root)):
        with before_look(number, store.root, there, back):
            report = verify_store(store.root)
        assert report.is_sound, (number, bad(report))
        if elsewhere.is_dir():
            back()


def test_a_training_that_is_published_between_two_looks_is_no_damage(few: SmallStore) -> None:
    store = few
    work = store.interrupted("half", "ids")
    final, hidden = work.with_suffix(""), work.parent / "hidden"
    for number in at_every_look(store.root, lambda: verify_store(store.root)):
        with before_look(number, store.root, lambda: work.rename(hidden)):
            assert verify_store(store.root).is_sound, number
        hidden.rename(work)
    assert not final.exists()


def test_damage_is_damage_while_others_are_renamed(few: SmallStore) -> None:
    store = few
    (store.folder("ids") / "data.bin").write_bytes(b"")
    folder = store.folder("small")
    elsewhere = folder.with_name("elsewhere")
    for number in at_every_look(store.root, lambda: verify_store(store.root)):
        with before_look(number, store.root, lambda: folder.rename(elsewhere)):
            (found,) = bad(verify_store(store.root))
        assert (found.state, found.file) == ("damaged", "data.bin")
        elsewhere.rename(folder)


def test_a_record_that_is_removed_between_two_looks_is_no_damage(few: SmallStore) -> None:
    store = few
    record = store.root / "08_reporting" / "sweeps" / "sweep-1.json"
    write_json(record, {"id": "sweep-1", "cells": []})
    for number in at_every_look(record.parent, lambda: verify_store(store.root)):
        with before_look(number, record.parent, record.unlink):
            assert verify_store(store.root).is_sound
        write_json(record, {"id": "sweep-1", "cells": []})
