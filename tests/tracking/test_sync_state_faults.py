from __future__ import annotations

import sqlite3

from alpkd_pipeline.tracking.sync_state import one_line, store_fault


def test_one_line_of_many() -> None:
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_no_password_and_no_novel() -> None:
    text = one_line(OSError("no route to http://u:c4n4ry@host/" + "x" * 1000))
    assert "c4n4ry" not in text
    assert len(text) == 300


def test_the_cause_is_told_where_it_lies_outside() -> None:
    for cause in (ConnectionRefusedError("Connection refused"), sqlite3.OperationalError("locked")):
        outer = RuntimeError("Max retries exceeded with url ...")
        outer.__cause__ = cause
        assert store_fault(outer) == one_line(cause)


def test_a_fault_of_the_store_itself_is_told_as_it_is() -> None:
    error = RuntimeError("the experiment is gone")
    error.__cause__ = KeyError("x")
    assert store_fault(error) == "RuntimeError: the experiment is gone"
