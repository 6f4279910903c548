"""Keys that do not fit together, and keys that are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.store.stores import SmallStore, bad

from alpkd_pipeline.store.manifest import read_json, seal, write_json
from alpkd_pipeline.store.verify import verify_store


def test_deleted_teachers_leave_orphans_that_are_no_fault(store: SmallStore) -> None:
    shutil.rmtree(store.folder("big"))
    report = verify_store(store.root)
    assert report.is_sound
    (found,) = report.findings
    assert found.state == "orphaned"
    assert f"teacher {store.key('big')[:8]}" in found.what
    assert found.what.endswith("and 5 more")


@pytest.mark.parametrize("name", ["best", "best-20261128", "small-scores-00000000", "my best (2)"])
def test_a_folder_may_be_called_anything(store: SmallStore, name: str) -> None:
    folder = store.folder("small-scores")
    folder.rename(folder.with_name(name))
    report = verify_store(store.root)
    assert report.is_sound
    notes = [finding.what for finding in report.findings if finding.state == "renamed"]
    assert len(notes) == len(report.findings)
    assert all(f"its name ends with {name[-8:]}" in note for note in notes)
    assert len(notes) == name.endswith(("20261128", "00000000"))


def test_a_name_that_promises_another_result_is_a_mismatch(store: SmallStore) -> None:
    small, scores = store.folder("small-scores"), store.folder("big-scores")
    small.rename(small.with_name("x"))
    scores.rename(small)
    (small.with_name("x")).rename(scores)
    found = bad(verify_store(store.root))
    assert [finding.state for finding in found] == ["mismatched"] * 2
    assert f"its name ends with {store.key('big-scores')[:8]}" in found[0].what
    assert found[0].do == f"give it a name that ends with -{store.key('small-scores')[:8]}"


def test_inputs_are_known_by_their_keys(store: SmallStore) -> None:
    """Another result lies where the input was; the input itself has another name by now."""
    old, new = store.folder("said"), store.add("signals", "other", "big", "ids")
    old.rename(old.with_name("signals-of-mine"))
    new.rename(old)
    found = [finding.what for finding in bad(verify_store(store.root))]
    assert found == [
        f"its name ends with {store.key('said')[:8]}, its key begins with {store.key('other')[:8]}"
    ]


def test_an_input_that_was_replaced_is_a_mismatch(store: SmallStore) -> None:
    """The folder that run.json leads to is whole, but it is not what was read."""
    old, new = store.folder("said"), store.add("signals", "other", "big", "ids")
    shutil.rmtree(old)
    new.rename(old)
    found = [finding.what for finding in bad(verify_store(store.root))]
    assert len(found) == 2
    assert f"made from signals {store.key('said')[:8]}" in found[0]
    assert f"its key begins with {store.key('other')[:8]}" in found[1]


def test_a_manifest_that_was_sealed_anew_still_has_to_fit_run_json(store: SmallStore) -> None:
    folder = store.folder("small")
    facts = read_json(folder / "manifest.json")
    made_from = {**facts["made_from"], "teacher": "0" * 64}
    seal(folder, {"stage": "student", "key": facts["key"], "made_from": made_from})
    found, _ = bad(verify_store(store.root))
    assert f"has 00000000 as key of 'teacher', run.json has {store.key('big')[:8]}" in found.what


def test_two_folders_with_one_key(store: SmallStore) -> None:
    folder = store.folder("small")
    shutil.copytree(folder, folder.with_name("again"))
    twin = folder.with_name(f"twin-{store.key('small')[:8]}")
    shutil.copytree(folder, twin)
    folder.with_name("link").symlink_to(folder)
    report = verify_store(store.root)
    assert report.is_sound
    assert [(note.state, Path(note.folder).name) for note in report.findings] == [
        ("copied", twin.name),
        ("copied", "again"),
        ("copied", "link"),
    ]
    assert report.findings[0].do == "harmless, one of the two is used"


def test_a_result_that_was_made_twice_is_no_fault(store: SmallStore) -> None:
    """By two names of one model: run.json differs, the result does not."""
    again = store.folder("ids").with_name(f"other-{store.key('ids')[:8]}")
    shutil.copytree(store.folder("ids"), again)
    write_json(again / "run.json", {**read_json(again / "run.json"), "name": "another label"})
    reseal(again)
    report = verify_store(store.root)
    assert report.is_sound
    assert [note.state for note in report.findings] == ["copied"]


def test_two_folders_of_one_key_that_hold_different_results_are_a_mismatch(
    store: SmallStore,
) -> None:
    again = store.folder("small").with_name("again")
    shutil.copytree(store.folder("small"), again)
    (again / "data.bin").write_bytes(b"other weights")
    reseal(again)
    (found,) = bad(verify_store(store.root))
    assert (found.state, Path(found.folder).name) == ("mismatched", "again")
    assert "other contents" in found.what


def test_a_copy_with_one_changed_byte_is_damaged(store: SmallStore) -> None:
    again = store.folder("small").with_name("again")
    shutil.copytree(store.folder("small"), again)
    data = bytearray((again / "data.bin").read_bytes())
    data[3] ^= 1
    (again / "data.bin").write_bytes(bytes(data))
    (found,) = bad(verify_store(store.root))
    assert (found.state, found.file, Path(found.folder).name) == ("damaged", "data.bin", "again")


def reseal(folder: Path) -> None:
    said = read_json(folder / "manifest.json")
    seal(folder, {name: said[name] for name in ("stage", "key", "made_from")})


def test_a_result_that_was_finished_without_a_file_of_its_kind_is_a_mismatch(
    store: SmallStore,
) -> None:
    folder = store.folder("small")
    facts = {"stage": "student", "key": store.key("small")}
    made_from = read_json(folder / "manifest.json")["made_from"]
    (folder / "metrics.json").unlink()
    seal(folder, {**facts, "made_from": made_from})
    (found,) = bad(verify_store(store.root))
    assert found.state == "mismatched"
    assert found.what == "it was finished without metrics.json, which every student holds"
    assert found.do.startswith(f"rm -r {folder}, then kedro run")
