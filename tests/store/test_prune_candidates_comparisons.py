"""Older comparisons."""

from __future__ import annotations

from tests.store.conftest import Going
from tests.store.stores import SmallStore


def test_an_older_one_with_no_student_of_its_own_goes(store: SmallStore, going: Going) -> None:
    old = store.comparison("old", [store.folder("small")], age=50)
    assert going() == {old.name}


def test_an_older_one_that_holds_the_only_row_of_a_student_stays(
    store: SmallStore, going: Going
) -> None:
    store.comparison("old", [store.folder("small"), store.folder("big")], age=50)
    assert going() == set()


def test_comparisons_of_different_sweeps_are_not_alike(store: SmallStore, going: Going) -> None:
    students = [store.folder("small")]
    old = store.comparison("old", students, sweep="one", age=50)
    assert going() == set()
    store.comparison("new", students, sweep="one")
    assert going() == {old.name}


def test_one_that_cannot_be_read_stays(store: SmallStore, going: Going) -> None:
    old = store.comparison("old", [store.folder("small")], age=50)
    (old / "comparison.json").write_text("{")
    assert going() == set()
