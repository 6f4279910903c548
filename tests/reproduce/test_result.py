from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.reproduce.conftest import Make, write_run

from alpkd_pipeline.reproduce.compare import ModelComparison, compare_models
from alpkd_pipeline.reproduce.original import Difference, DifferenceKind, StoredRun
from alpkd_pipeline.reproduce.result import Rerun, RerunResult
from alpkd_pipeline.reproduce.verdict import (
    BITWISE,
    DRIFTED,
    FAILED,
    Band,
    DataComparison,
    SplitChange,
)

BAND = Band("seeds", 5, -0.02, 0.02)
SAME = DataComparison(known=True, changes=())


def experiment(
    *models: ModelComparison,
    data: DataComparison = SAME,
    differs: tuple[DifferenceKind, ...] = (),
    error: str | None = None,
) -> Rerun:
    differences = tuple(Difference(kind, "x", "1", "2") for kind in differs)
    with TemporaryDirectory() as store:
        folder = write_run(Path(store)).path
        original = StoredRun(folder.rename(folder.with_name("kd-4L-s0")))
    return Rerun(original, differences, data=data, models=models, error=error)


@pytest.mark.parametrize("kind", ["parameters", "damage", "data"])
def test_something_else_has_drifted_whatever_its_score(
    then: StoredRun, now: Make, kind: DifferenceKind
) -> None:
    equal = compare_models(then, now())
    assert experiment(equal, differs=(kind,)).verdict == DRIFTED
    assert experiment(equal, differs=(kind,)).something_else == ("x: 1 -> 2",)


@pytest.mark.parametrize("kind", ["code", "libraries", "python", "device", "threads"])
def test_other_conditions_alone_are_no_drift(
    then: StoredRun, now: Make, kind: DifferenceKind
) -> None:
    equal = compare_models(then, now())
    assert experiment(equal, differs=(kind,)).verdict == BITWISE


def test_changed_rows_are_drift(then: StoredRun, now: Make) -> None:
    changed = DataComparison(known=True, changes=(SplitChange("train", 1, 48, 48),))
    found = experiment(compare_models(then, now()), data=changed)
    assert found.verdict == DRIFTED
    assert found.something_else == ("data changed, train: 1 of 48 rows",)


def test_the_worst_model_and_the_worst_experiment_decide(then: StoredRun, now: Make) -> None:
    equal = compare_models(then, now())
    drifted = replace(compare_models(then, now(score=0.1, weights=b"other")), band=BAND)
    assert experiment(equal, drifted).verdict == DRIFTED
    result = RerunResult(
        "20260314-031500", "1" * 64, [experiment(equal), experiment(error="x")], 1.0
    )
    assert result.verdict == FAILED
    assert experiment(equal, drifted).verdict_of(equal) == BITWISE
