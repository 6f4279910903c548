"""Keys that do not fit together, and keys that are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.orchestration.integrity.stores import SmallStore, bad

from alpkd_pipeline.orchestration.integrity.verify import verify_store
from alpkd_pipeline.runs.manifest import read_json, seal


def test_deleted_teachers_leave_orphans_that_are_no_fault(store: SmallStore) -> None:
    shutil.rmtree(store.folder("big"))
    report = verify_store(store.root)
    assert report.is_sound
    (found,) = report.findings
    assert found.state == "orphaned"
    assert f"teacher {store.key('big')[:8]}" in found.what
    assert found.what.endswith("and 5 more")


def test_a_name_with_another_key_is_a_mismatch(store: SmallStore) -> None:
    folder = store.folder("small-scores")
    folder.rename(folder.with_name("small-scores-00000000"))
    (found,) = bad(verify_store(store.root))
    assert found.state == "mismatched"
    assert "its name ends with 00000000" in found.what


def test_an_input_that_was_replaced_is_a_mismatch(store: SmallStore) -> None:
    """The folder that run.json leads to is whole, but it is not what was read."""
    old, new = store.folder("said"), store.add("signals", "other", "big", "ids")
    shutil.rmtree(old)
    new.rename(old)
    found = [finding.what for finding in bad(verify_store(store.root))]
    assert len(found) == 2
    assert f"its key begins with {store.key('other')[:8]}" in found[0]
    assert f"made from signals {store.key('said')[:8]}" in found[1]


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
    (note,) = verify_store(store.root).findings
    assert (note.state, Path(note.folder).name) == ("copied", "again")
    shutil.copytree(folder, folder.with_name(f"other-{store.key('small')[:8]}"))
    (found,) = bad(verify_store(store.root))
    assert found.state == "mismatched"
