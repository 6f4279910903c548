"""What holds for any input: Hypothesis with the same examples in every run, few of them or many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.validate import DataErrors

Value = TypeVar("Value")

EFFORTS = [
    pytest.param(40, id="quick"),
    pytest.param(400, id="deep", marks=pytest.mark.slow),
]
"""How many examples: `@pytest.mark.parametrize("examples", EFFORTS)`."""


def for_all(examples: int, strategy: SearchStrategy[Value], check: Callable[[Value], None]) -> None:
    """Run a check on that many values, and on the smallest one that fails."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Value) -> None:
        check(value)

    run()


def answer(call: Callable[[], Any]) -> Any:
    """What a call returns, or its UserError; every other exception is a failure.

    The error is one line that a terminal shows as it is; a report of data faults has one line each.
    """
    try:
        return call()
    except UserError as error:
        found = error
    lines = str(found).split("\n") if isinstance(found, DataErrors) else [str(found)]
    assert all(line.isprintable() and line.strip() for line in lines), repr(str(found))
    if isinstance(found, DataErrors):
        assert len(lines) == 1 + len(found.errors)
    return found
