"""Who may take the champion's place, told without a registry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.published import speed

from alpkd_pipeline.export.champion import Evidence, evidence_of, judge
from alpkd_pipeline.tasks.task import Task

TASK = Task("tiny", "classification", ("text",), ("no", "yes"), ("accuracy",))
NUMBER = Task("sts", "regression", ("a", "b"), (), ("pearson",))


def evidence(rows: int = 872, wrong: int = 0, first: int = 0, **changes: object) -> Evidence:
    """A model that answers `wrong` rows wrongly, from the one numbered `first` on."""
    labels = np.arange(rows) % 2
    predictions = labels.copy()
    predictions[first : first + wrong] = 1 - predictions[first : first + wrong]
    made = Evidence(TASK, "d1", labels, predictions, 4.0, 20.0, ("x86", 1))
    return replace(made, **changes)  # type: ignore[arg-type]


OLD = evidence(wrong=100)


def said(new: Evidence, old: Evidence = OLD, margin: float = 1.0) -> str:
    fits, why = judge(new, old, "2", margin)
    return f"{fits}: {why}"


def test_as_good_and_faster() -> None:
    new = evidence(wrong=100, p50_ms=1.29)
    # 1 - 0.025^(1/872), the exact limit of 0 rows lost at half the error.
    assert said(new) == (
        "True: not worse than version 2 by 1 point of accuracy (95 %: loss at most 0.422), and"
        " 3.1 times as fast"
    )


def test_as_good_and_smaller() -> None:
    assert said(evidence(wrong=100, disk_mb=10.0)).endswith("and 2 times smaller")


def test_shown_to_be_better() -> None:
    found = said(evidence(wrong=10, p50_ms=8.0, disk_mb=40.0))
    assert found.startswith("True: not worse than version 2")
    assert found.endswith("loss at most 0), and better by 7.96 points or more")


def test_a_higher_score_alone_is_not_shown_to_be_better() -> None:
    found = said(evidence(wrong=98))
    assert found == (
        "False: it is neither faster than version 2 (4 against 4 ms), nor smaller (20 against 20"
        " MB), nor shown to be better"
    )


@pytest.mark.parametrize("gain", [{"p50_ms": 3.5}, {"disk_mb": 19.5}])
def test_a_gain_that_measuring_twice_gives_is_none(gain: dict[str, float]) -> None:
    assert said(evidence(wrong=100, **gain)).startswith("False: it is neither faster")


@pytest.mark.parametrize("where", [("arm", 1), ("x86", 2)])
def test_speeds_of_other_processors_are_not_compared(where: tuple[str, int]) -> None:
    found = said(evidence(wrong=100, p50_ms=1.0, where=where))
    assert "measured on another processor, or with other threads" in found
    assert said(evidence(wrong=100, p50_ms=1.0, disk_mb=5.0, where=where)).startswith("True")


def test_worse() -> None:
    found = said(evidence(wrong=120, p50_ms=1.0))
    assert found == ("False: it loses 2.29 points to version 2, allowed is 1 point of accuracy")
    assert said(evidence(wrong=120, p50_ms=1.0), margin=5).startswith("True")


def test_what_so_many_rows_cannot_show() -> None:
    old = evidence(277, 30)
    assert said(evidence(277, 30, p50_ms=1.0), old) == (
        "False: cannot be shown with 277 rows: against version 2 it loses 0, at most 1.32 points"
        " (95 %), allowed is 1 point of accuracy"
    )
    assert said(evidence(277, 30, p50_ms=1.0), old, margin=1.4).startswith("True")


def test_the_limit_holds_as_often_as_it_says() -> None:
    """Of 100 candidates that lose exactly 3 points, 5 % and a little chance pass a margin of 3."""
    draw, rows, passed = np.random.default_rng(0), 300, 0
    labels = np.zeros(rows, np.int64)
    for _ in range(100):
        kind = draw.choice(3, size=rows, p=[0.05, 0.02, 0.93])  # lost, won, the same
        old = evidence(rows, labels=labels, predictions=np.where(kind == 1, 1, 0))
        new = evidence(rows, labels=labels, predictions=np.where(kind == 0, 1, 0), p50_ms=1.0)
        passed += judge(new, old, "2", 3.0)[0]
    assert passed <= 8


def test_another_task_and_other_rows() -> None:
    other = evidence(wrong=100, task=replace(TASK, name="other"))
    assert said(other) == "False: it is of the task other, version 2 of tiny"
    rows = "False: it was judged on other dev rows than version 2"
    assert said(evidence(wrong=100, dev="d2")) == rows


def test_numbers_are_judged_by_a_bootstrap_which_is_told() -> None:
    draw = np.random.default_rng(1)
    labels = draw.normal(size=400)
    old = evidence(task=NUMBER, labels=labels, predictions=labels + draw.normal(size=400) / 10)
    new = replace(old, predictions=labels + draw.normal(size=400) / 10, p50_ms=1.0)
    assert "1 point of pearson (95 %, by a bootstrap: loss at most" in said(new, old)
    worse = replace(new, predictions=draw.normal(size=400))
    assert said(worse, old).startswith("False: it loses")


def test_errors_are_judged_in_their_own_unit() -> None:
    draw = np.random.default_rng(2)
    labels, task = draw.normal(size=400), replace(NUMBER, metrics=("rmse",))
    old = evidence(task=task, labels=labels, predictions=labels + 0.1 * draw.normal(size=400))
    new = replace(old, predictions=labels + 0.3 * draw.normal(size=400), p50_ms=1.0)
    assert said(new, old, margin=0.1).startswith("False: it loses 0.2")
    assert "by 0.3 of rmse" in said(new, old, margin=0.3)


def test_a_bootstrap_without_spread_shows_nothing() -> None:
    old = evidence(wrong=50, task=replace(NUMBER, metrics=("rmse",)))
    found = said(replace(old, p50_ms=1.0), old)
    assert found.startswith("False: cannot be shown with 872 rows: against version 2 it loses 0,")


def test_evidence_is_read_as_it_lies_in_a_model() -> None:
    facts = {"task": TASK.to_dict(), "form": "int8", "dev": "d1", "speed": speed(4.5, mb=22.0)}
    found = evidence_of(facts, b"row,label,prediction,p_no,p_yes\n0,1,1,.5,.5\n1,0,1,.5,.5\n")
    assert (found.task, found.score) == (TASK, 0.5)
    assert (found.p50_ms, found.disk_mb, found.where) == (4.5, 22.0, ("x86", 1))
