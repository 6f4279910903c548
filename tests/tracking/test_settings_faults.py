from __future__ import annotations

import sqlite3

from alpkd_pipeline.errors import kind_and_line
from alpkd_pipeline.tracking.settings import store_fault


def test_the_cause_is_told_where_it_lies_outside() -> None:
    for cause in (ConnectionRefusedError("Connection refused"), sqlite3.OperationalError("locked")):
        outer = RuntimeError("Max retries exceeded with url ...")
        outer.__cause__ = cause
        assert store_fault(outer) == kind_and_line(cause)


def test_a_fault_of_the_store_itself_is_told_as_it_is() -> None:
    error = RuntimeError("the experiment is gone")
    error.__cause__ = KeyError("x")
    assert store_fault(error) == "RuntimeError: the experiment is gone"
