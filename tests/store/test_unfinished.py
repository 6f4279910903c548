"""Interrupted work, and what killed processes left."""

from __future__ import annotations

import shlex
import shutil

import pytest
from filelock import FileLock
from tests.store.stores import SmallStore, bad

from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS, config_changed
from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.verify import verify_store


def test_a_folder_without_its_manifest_is_missing_it(store: SmallStore) -> None:
    (store.folder("small") / "manifest.json").unlink()
    (found,) = bad(verify_store(store.root))
    assert (found.state, found.file) == ("missing", "manifest.json")


def test_what_is_to_be_typed_can_be_typed(store: SmallStore) -> None:
    """A folder with a space in its name is one word of the shell."""
    (store.folder("small") / "manifest.json").unlink()
    root = store.root.rename(store.root.with_name("all my results"))
    (found,) = bad(verify_store(root))
    assert shlex.split(found.do)[2] == f"{root / store.folder('small').relative_to(store.root)},"


def test_an_interrupted_training_is_named_with_its_step_and_its_checkpoints_are_read(
    store: SmallStore,
) -> None:
    work = store.interrupted("half", "ids", "big", "said")
    report = verify_store(store.root)
    assert report.is_sound
    (found,) = report.findings
    assert (found.state, found.what) == ("unfinished", "interrupted after step 20")
    assert report.counts["checkpoint"]["folders"] == 2
    weights = work / CHECKPOINTS / "step-00000020" / "weights.bin"
    weights.write_bytes(b"1" * 32)
    (harm,) = bad(verify_store(store.root))
    assert store.root / harm.folder / harm.file == weights


@pytest.mark.parametrize("name", ["run.json", "events.jsonl"])
def test_what_a_checkpoint_goes_on_with_is_read_too(store: SmallStore, name: str) -> None:
    work = store.interrupted("half", "ids", "big", "said")
    (work / name).write_bytes((work / name).read_bytes().replace(b"s", b"z", 1))
    assert name in [finding.file for finding in bad(verify_store(store.root))]


def test_what_the_training_would_refuse_is_bad_and_what_it_allows_is_not(
    store: SmallStore,
) -> None:
    """The event log may be longer than its last checkpoint knows; run.json never changes."""
    work = store.interrupted("half", "ids", "big", "said")
    for name, refused in (("events.jsonl", False), ("run.json", True)):
        with (work / name).open("a") as file:
            file.write('{"more": 1}\n')
        assert config_changed(work) is refused
        assert verify_store(store.root).is_sound is not refused
    assert {found.file for found in bad(verify_store(store.root))} == {"run.json"}


@pytest.mark.parametrize("text", ["{", '{"stage": "student", "params": null}'])
def test_a_run_json_that_says_nothing_is_no_traceback(store: SmallStore, text: str) -> None:
    work = store.interrupted("half", "ids", "big", "said")
    (work / "run.json").write_text(text)
    (work / CHECKPOINTS / "step-00000020.bak").mkdir()
    report = verify_store(store.root)
    assert {found.file for found in bad(report)} == {"run.json"}
    assert "interrupted after step 20" in [found.what for found in report.findings]
    for place in (CHECKPOINTS, BEST):
        shutil.rmtree(work / place)
    assert [found.state for found in verify_store(store.root).findings] == ["unfinished"]


def test_work_under_a_lock_is_at_work_and_not_looked_into(store: SmallStore) -> None:
    work = store.interrupted("half", "ids", "big", "said")
    (work / CHECKPOINTS / "step-00000020" / "weights.bin").write_bytes(b"")
    lock = lock_file(work, store.key("half"))
    lock.parent.mkdir()
    with FileLock(lock):
        report = verify_store(store.root)
        assert report.is_sound
        assert [finding.state for finding in report.findings] == ["at work"]
    assert not verify_store(store.root).is_sound


def test_left_overs_are_named(store: SmallStore) -> None:
    folder = store.folder("small")
    aside = folder.with_name(f".{folder.name}.{'0' * 32}.old")
    shutil.copytree(folder, aside)
    (folder / ".manifest.json.123.tmp").write_text("{")
    report = verify_store(store.root)
    assert report.is_sound
    assert [finding.state for finding in report.findings] == ["left over"] * 2
    shutil.rmtree(folder)
    (found, *_) = (f for f in verify_store(store.root).findings if f.state == "left over")
    assert found.do == f"call it {folder.name} again, or delete it"
