from __future__ import annotations

from dataclasses import replace

import pytest
from tests.reproduce.conftest import Make

from alpkd_pipeline.reproduce.compare import compare_models
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.verdict import (
    BITWISE,
    DRIFTED,
    WITHIN,
    Band,
    worst,
)

BAND = Band("seeds", 5, -0.02, 0.02)


def test_equal_to_the_bit(then: StoredRun, now: Make) -> None:
    assert compare_models(then, now()).verdict == BITWISE


@pytest.mark.parametrize(("score", "verdict"), [(0.76, WITHIN), (0.74, WITHIN), (0.7, DRIFTED)])
def test_scores_against_the_band(then: StoredRun, now: Make, score: float, verdict: str) -> None:
    found = compare_models(then, now(score=score, weights=b"other"))
    assert replace(found, band=BAND).verdict == verdict


def test_without_a_band_only_equal_scores_are_equal(then: StoredRun, now: Make) -> None:
    assert compare_models(then, now(weights=b"other")).verdict == WITHIN
    other = compare_models(then, now(score=0.7501, weights=b"other"))
    assert other.verdict == DRIFTED


def test_the_order_of_verdicts() -> None:
    assert worst([BITWISE, WITHIN]) == WITHIN
    assert worst([WITHIN, DRIFTED, BITWISE]) == DRIFTED
    assert worst([]) == BITWISE
