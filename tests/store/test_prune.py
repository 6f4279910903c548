"""The plan and what becomes of it."""

from __future__ import annotations

import shutil

from filelock import FileLock
from tests.store.stores import SmallStore, make_older

from alpkd_pipeline.store.prune import carry_out, make_plan, plan_lines
from alpkd_pipeline.store.prune_candidates import Choice
from alpkd_pipeline.store.verify import verify_store


def test_all_that_was_shown_goes_and_the_store_is_sound(store: SmallStore) -> None:
    store.add("splits", "rows2")
    work = store.interrupted("half", "ids", "big", age=3600)
    choice = Choice(signals=True, interrupted=True)
    plan = make_plan(store.root, choice, frozenset())
    assert carry_out(plan, plan) == []
    assert not any(candidate.path.exists() for candidate in plan.going)
    assert not work.exists()
    report = verify_store(store.root)
    assert report.is_sound
    assert {finding.state for finding in report.findings} == {"orphaned"}
    assert make_plan(store.root, choice, frozenset()).going == ()


def test_each_thing_is_shown_with_its_size_and_the_reason(store: SmallStore) -> None:
    plan = make_plan(store.root, Choice(signals=True), frozenset())
    (line,) = plan_lines(plan)
    kind, name, number, unit, *why = line.split()
    assert (kind, name) == ("signals", str(store.folder("said").relative_to(store.root)))
    assert (float(number), unit) == (round(plan.bytes / 1000, 1), "kB")
    assert " ".join(why) == "can be recorded again from its teacher"
    assert plan.total == f"1 thing, {number} kB"


def test_results_stay_while_any_process_is_at_work(store: SmallStore) -> None:
    """Nobody holds a lock on what he reads."""
    left = store.folder("said").with_name("x-12345678.work")
    shutil.copytree(store.folder("said"), left)
    make_older(left, 3600)
    lock = store.folder("small").parent / ".locks" / "new-00000000.lock"
    lock.parent.mkdir()
    with FileLock(lock):
        plan = make_plan(store.root, Choice(signals=True), frozenset())
    assert [candidate.path for candidate in plan.going] == [left]
    assert [candidate.path for candidate in plan.waiting] == [store.folder("said")]
    assert list(plan_lines(plan))[-1] == (
        "1 more may go when no process is at work here (new-00000000)"
    )


def test_what_came_to_be_needed_meanwhile_stays(store: SmallStore) -> None:
    shutil.rmtree(store.folder("small"))
    shown = make_plan(store.root, Choice(), frozenset())
    assert [candidate.path for candidate in shown.going] == [store.folder("said")]
    store.add("student", "small", "ids", "big", "said")
    (line,) = carry_out(shown, make_plan(store.root, Choice(), frozenset()))
    assert line.endswith("stays: it is in use by now")
    assert store.folder("said").is_dir()
