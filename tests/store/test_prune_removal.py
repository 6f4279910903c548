"""Taking things out of a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock
from tests.store.stores import SmallStore

from alpkd_pipeline.store import prune
from alpkd_pipeline.store.manifest import LOCKS, lock_file
from alpkd_pipeline.store.prune import make_plan
from alpkd_pipeline.store.prune_candidates import Candidate, Choice, is_settled
from alpkd_pipeline.store.unfinished import is_held
from alpkd_pipeline.store.verify import verify_store


def signals(store: SmallStore) -> Candidate:
    (found,) = make_plan(store.root, Choice(signals=True), frozenset()).going
    return found


def test_it_is_gone_and_nothing_else_is(store: SmallStore) -> None:
    before = {path for path in store.root.rglob("*") if ".locks" not in path.parts}
    folder = store.folder("said")
    assert prune.remove(signals(store)) == ""
    after = {path for path in store.root.rglob("*") if ".locks" not in path.parts}
    assert before - after == {p for p in before if p == folder or folder in p.parents}
    assert after <= before


def test_what_another_process_holds_stays(store: SmallStore) -> None:
    found = signals(store)
    lock = lock_file(found.path, store.key("said"))
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        assert prune.remove(found) == "another process is at work on it"
        assert found.path.is_dir()


def test_a_link_is_left_to_its_owner(store: SmallStore, tmp_path: Path) -> None:
    found = signals(store)
    found.path.rename(tmp_path / "large-disk")
    found.path.symlink_to(tmp_path / "large-disk")
    assert "link" in prune.remove(found)
    assert (found.path / "data.bin").is_file()


def test_a_removal_that_is_killed_leaves_no_half_result(
    store: SmallStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(_path: Path) -> None:
        raise Killed

    found = signals(store)
    monkeypatch.setattr("shutil.rmtree", die)
    with pytest.raises(Killed):
        prune.remove(found)
    monkeypatch.undo()
    assert not found.path.exists()
    states = [finding.state for finding in verify_store(store.root).findings]
    assert sorted(states) == ["left over", "orphaned"]


def test_an_error_is_told(store: SmallStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    assert prune.remove(signals(store)).startswith("Permission denied: ")


def settled_work(store: SmallStore) -> Candidate:
    store.interrupted("half", "ids", "big", age=3600)
    (found,) = make_plan(store.root, Choice(interrupted=True), frozenset()).going
    return found


def test_what_was_written_to_since_it_was_planned_stays(store: SmallStore) -> None:
    """It is looked at once more, and under the lock, where nobody can begin meanwhile."""
    found = settled_work(store)
    (found.path / "events.jsonl").write_text("a process on another machine\n")
    assert prune.remove(found) == "something was written there just now"
    assert (found.path / "events.jsonl").is_file()


def test_the_second_look_is_under_the_lock(
    store: SmallStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, held = settled_work(store), []

    def watched(path: Path) -> bool:
        held.append([is_held(lock) for lock in path.parent.glob(f"{LOCKS}/*.lock")])
        return is_settled(path)

    monkeypatch.setattr(prune, "is_settled", watched)
    assert prune.remove(found) == ""
    assert held == [[True]]
    assert not found.path.exists()


def test_a_renamed_result_stays_while_its_key_is_at_work(store: SmallStore) -> None:
    folder = store.folder("said").rename(store.folder("said").with_name("signals of mine"))
    found = signals(store)
    assert found.path == folder
    lock = lock_file(folder, store.key("said"))
    lock.parent.mkdir(exist_ok=True)
    with FileLock(lock):
        assert prune.remove(found) == "another process is at work on it"
    assert prune.remove(found) == ""
    assert not folder.exists()
