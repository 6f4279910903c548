from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.export.conftest import NUMBER, PAIRS, THREE

from alpkd_pipeline.export.calibrate import Calibration
from alpkd_pipeline.export.gate import Check, Rows, judge
from alpkd_pipeline.export.runtime import Answer
from alpkd_pipeline.export.settings import ClassBounds, NumberBounds
from alpkd_pipeline.tasks.task import Task

FP32, INT8 = ClassBounds(logits=1e-4, changed=0), ClassBounds(changed=2, loss=1)


def rows(task: Task, count: int, seed: int = 0) -> Rows:
    draw = np.random.default_rng(seed)
    logits = draw.normal(0, 2, (count, task.num_labels)).astype(np.float32)
    labels = logits.argmax(axis=1) if task.kind == "classification" else logits[:, 0].astype(float)
    return Rows(task, [str(i) for i in range(count)], labels, logits)


def said(made: Rows, logits: np.ndarray, how: Calibration) -> tuple[np.ndarray, list[Answer]]:
    """The answers of a form with these logits."""
    if made.task.kind == "regression":
        return logits, [Answer("value", float(row[0]), {}, False) for row in logits]
    names, chances = made.task.label_names, how.probabilities(logits)
    found = zip(chances, how.classes(logits), strict=True)
    return logits, [
        Answer(names[k], float(row[k]), dict(zip(names, row.tolist(), strict=True)), False)
        for row, k in found
    ]


def flipped(made: Rows, count: int) -> np.ndarray:
    """Logits that answer so many rows otherwise."""
    logits = made.logits.copy()
    logits[:count] = logits[:count, ::-1]
    return logits


@pytest.mark.parametrize("how", [Calibration(), Calibration(1.7, 0.4)])
def test_the_same_predictions_pass(how: Calibration) -> None:
    made = rows(PAIRS, 300)
    found = judge("fp32", made, said(made, made.logits, how), how, FP32)
    assert found.outcome == "passes"
    assert found.passes(require_bound=True)
    assert found.changed == ()
    assert found.score == found.torch_score


def test_one_changed_answer_of_fp32_fails_and_is_named() -> None:
    made, how = rows(PAIRS, 300), Calibration()
    found = judge("fp32", made, said(made, flipped(made, 1), how), how, FP32)
    assert found.outcome == "fails"
    assert found.changed == ("0",)
    assert "rows 0 changed" in found.line()
    assert "changed answers 0.333 % (at most 0" in found.line()


def test_logits_alone_can_fail() -> None:
    made, how = rows(THREE, 100), Calibration()
    found = judge("fp32", made, said(made, made.logits + 2e-4, how), how, FP32)
    assert [one.what for one in found.checks if one.outcome == "fails"] == [
        "largest difference of logits"
    ]


def test_probabilities_alone_can_fail() -> None:
    """The logits are right; the temperature with which the folder answers is not."""
    made = rows(PAIRS, 100)
    given = said(made, made.logits, Calibration(1.01))
    found = judge("fp32", made, given, Calibration(1.0), FP32)
    assert [one.what for one in found.checks if one.outcome == "fails"] == [
        "largest difference of probabilities"
    ]


def test_a_label_that_the_task_does_not_have_is_a_changed_answer() -> None:
    made, how = rows(PAIRS, 50), Calibration()
    logits, predictions = said(made, made.logits, how)
    predictions[3] = replace(predictions[3], label="LABEL_1")
    assert judge("fp32", made, (logits, predictions), how, FP32).changed == ("3",)


@pytest.mark.parametrize(
    ("count", "flips", "outcome"),
    [
        # 0 of 1,000: at most .30 % changed and .37 % lost; of 277 at most 1.08 and 1.32 %.
        (1000, 0, "passes"),
        (277, 0, "cannot be shown"),
        (1000, 11, "fails"),  # a loss of 1.1 points
        (1000, 9, "cannot be shown"),
    ],
)
def test_three_outcomes_of_int8(count: int, flips: int, outcome: str) -> None:
    made, how = rows(PAIRS, count), Calibration()
    found = judge("int8", made, said(made, flipped(made, flips), how), how, INT8)
    assert found.outcome == outcome
    assert found.passes(require_bound=False) == (outcome != "fails")
    assert found.passes(require_bound=True) == (outcome == "passes")
    if outcome == "cannot be shown":
        assert f"int8 cannot be shown with {count:,} rows: " in found.line()


def test_predictions_that_change_without_a_loss_count_too() -> None:
    made, how = rows(PAIRS, 1000), Calibration()
    wrong = replace(made, labels=np.where(np.arange(1000) % 2, made.labels, 1 - made.labels))
    found = judge("int8", wrong, said(wrong, flipped(made, 30), how), how, INT8)
    (changed, loss) = found.checks
    assert (changed.outcome, changed.seen) == ("fails", 3.0)
    assert loss.seen == 0.0


def test_nothing_that_is_no_number_passes() -> None:
    made, how = rows(THREE, 60), Calibration()
    logits = made.logits.copy()
    logits[5] = np.nan
    found = judge("fp32", made, (logits, said(made, made.logits, how)[1]), how, FP32)
    assert found.outcome == "fails"
    assert Check("x", float("nan"), None, 1.0).outcome == "fails"


def test_a_regression_is_judged_by_its_differences() -> None:
    made, how = rows(NUMBER, 400), Calibration()
    bounds = NumberBounds(largest=0.5, mean=0.1, pearson=0.99, loss=1)
    draw = np.random.default_rng(4)
    noise = draw.normal(0, 1, made.logits.shape).astype(np.float32)
    spread = float(made.logits.std())
    near, far = (made.logits + noise * spread * size for size in (0.05, 0.3))
    assert judge("int8", made, said(made, near, how), how, bounds).outcome != "fails"
    found = judge("int8", made, said(made, far, how), how, bounds)
    failed = {one.what: one.seen for one in found.checks if one.outcome == "fails"}
    assert {"largest difference", "mean difference", "1 - Pearson correlation"} <= set(failed)
    by_hand = float(np.abs(noise).mean() * 0.3)
    assert failed["mean difference"] == pytest.approx(by_hand, rel=1e-3)


def test_a_regression_whose_answer_is_not_what_was_computed_fails() -> None:
    made, how = rows(NUMBER, 50), Calibration()
    logits, predictions = said(made, made.logits, how)
    predictions[0] = replace(predictions[0], score=predictions[0].score + 0.01)
    found = judge("fp32", made, (logits, predictions), how, NumberBounds(logits=1e-4))
    assert found.outcome == "fails"


def test_the_loss_of_an_error_is_in_percent_of_it() -> None:
    task = replace(NUMBER, metrics=("rmse",))
    made = rows(task, 400)
    made = replace(made, labels=made.labels + np.random.default_rng(1).normal(0, 1, 400))
    given = said(made, made.logits * 1.2, Calibration())
    found = judge("int8", made, given, Calibration(), NumberBounds(loss=1))
    (loss,) = found.checks
    assert loss.unit == " %"
    by_hand = 100 * (found.score / found.torch_score - 1)
    assert loss.seen == pytest.approx(by_hand)


def test_what_is_not_asked_is_not_judged() -> None:
    made, how = rows(PAIRS, 100), Calibration()
    found = judge("int8", made, said(made, flipped(made, 90), how), how, ClassBounds())
    assert found.outcome == "passes"
    assert len(found.changed) == 90
    assert found.line().count(",") < 25


def test_a_judgement_is_ready_for_json() -> None:
    import json

    made, how = rows(PAIRS, 100), Calibration()
    found = judge("int8", made, said(made, flipped(made, 3), how), how, INT8).to_dict()
    again: dict[str, Any] = json.loads(json.dumps(found))
    assert again["changed_rows"] == ["0", "1", "2"]
    assert [one["outcome"] for one in again["found"]] == ["fails", "fails"]
