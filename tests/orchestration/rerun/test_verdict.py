from __future__ import annotations

import pytest
from tests.orchestration.rerun.conftest import Make

from alpkd_pipeline.orchestration.rerun.compare import compare_models
from alpkd_pipeline.orchestration.rerun.original import Difference, Kind, StoredRun
from alpkd_pipeline.orchestration.rerun.rows import DataComparison, SplitChange
from alpkd_pipeline.orchestration.rerun.verdict import (
    BITWISE,
    DRIFTED,
    FAILED,
    WITHIN,
    Band,
    CellResult,
    ModelResult,
    RerunResult,
    worst,
)

BAND = Band("seeds", 5, -0.02, 0.02)
SAME = DataComparison(known=True, changes=())


def cell(
    *models: ModelResult,
    data: DataComparison = SAME,
    differs: tuple[Kind, ...] = (),
    error: str | None = None,
) -> CellResult:
    differences = tuple(Difference(kind, "x", "1", "2") for kind in differs)
    return CellResult("1" * 64, "kd-4L-s0", "mrpc", None, differences, data, models, error=error)


def test_equal_to_the_bit(then: StoredRun, now: Make) -> None:
    assert ModelResult(compare_models(then, now()), None).verdict == BITWISE


@pytest.mark.parametrize(("score", "verdict"), [(0.76, WITHIN), (0.74, WITHIN), (0.7, DRIFTED)])
def test_scores_against_the_band(then: StoredRun, now: Make, score: float, verdict: str) -> None:
    found = compare_models(then, now(score=score, weights=b"other"))
    assert ModelResult(found, BAND).verdict == verdict


def test_without_a_band_only_equal_scores_are_equal(then: StoredRun, now: Make) -> None:
    assert ModelResult(compare_models(then, now(weights=b"other")), None).verdict == WITHIN
    other = compare_models(then, now(score=0.7501, weights=b"other"))
    assert ModelResult(other, None).verdict == DRIFTED


@pytest.mark.parametrize("kind", ["parameters", "damage", "data"])
def test_something_else_has_drifted_whatever_its_score(
    then: StoredRun, now: Make, kind: Kind
) -> None:
    equal = ModelResult(compare_models(then, now()), None)
    assert cell(equal, differs=(kind,)).verdict == DRIFTED
    assert cell(equal, differs=(kind,)).something_else == ("x: 1 -> 2",)


@pytest.mark.parametrize("kind", ["code", "libraries", "python", "device", "threads"])
def test_other_conditions_alone_are_no_drift(then: StoredRun, now: Make, kind: Kind) -> None:
    equal = ModelResult(compare_models(then, now()), None)
    assert cell(equal, differs=(kind,)).verdict == BITWISE


def test_changed_rows_are_drift(then: StoredRun, now: Make) -> None:
    changed = DataComparison(known=True, changes=(SplitChange("train", 1, 48, 48),))
    found = cell(ModelResult(compare_models(then, now()), None), data=changed)
    assert found.verdict == DRIFTED
    assert found.something_else == ("data changed, train: 1 of 48 rows",)


def test_the_worst_model_and_the_worst_cell_decide(then: StoredRun, now: Make) -> None:
    equal = ModelResult(compare_models(then, now()), None)
    drifted = ModelResult(compare_models(then, now(score=0.1, weights=b"other")), BAND)
    assert cell(equal, drifted).verdict == DRIFTED
    result = RerunResult("20260314-031500", "1" * 64, [cell(equal), cell(error="x")], 1.0)
    assert result.verdict == FAILED
    assert cell(equal, drifted).verdict_of(equal) == BITWISE


def test_the_order_of_verdicts() -> None:
    assert worst([BITWISE, WITHIN]) == WITHIN
    assert worst([WITHIN, DRIFTED, BITWISE]) == DRIFTED
    assert worst([]) == BITWISE
