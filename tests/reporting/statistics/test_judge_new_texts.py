"""Rows as a second random factor, against numpy and against a table of which all is known."""

from __future__ import annotations

import numpy as np
import pytest

from alpkd_pipeline.reporting.statistics.judge import Contributions, on_new_texts
from alpkd_pipeline.reporting.statistics.summary import TTest, borrowed_test


def test_the_variance_is_that_of_two_factors():
    rng = np.random.default_rng(0)
    candidate, reference = rng.normal(size=(2, 4, 30))
    d = candidate - reference
    test = borrowed_test(candidate.mean(1).tolist(), reference.mean(1).tolist())
    rows, seeds = d.mean(0), d.mean(1)
    rest = d - rows - seeds[:, None] + d.mean()
    v_seeds, v_rows = seeds.var(ddof=1) / 4, rows.var(ddof=1) / 30
    residual = (rest**2).sum() / (3 * 29) / (4 * 30)
    found = on_new_texts(
        test, Contributions.of(candidate.tolist()), Contributions.of(reference.tolist())
    )
    assert test.error**2 == pytest.approx(v_seeds)
    assert found.error**2 == pytest.approx(max(v_seeds, v_rows, v_seeds + v_rows - residual))
    assert (found.mean, found.df, found.n) == (test.mean, test.df, test.n)


def test_it_is_never_surer_than_seeds_or_rows_alone():
    rng = np.random.default_rng(1)
    for _ in range(50):
        candidate, reference = rng.integers(0, 2, (2, 3, 20)).astype(float)
        test = borrowed_test(candidate.mean(1).tolist(), reference.mean(1).tolist())
        found = on_new_texts(
            test, Contributions.of(candidate.tolist()), Contributions.of(reference.tolist())
        )
        rows = (candidate - reference).mean(0).var(ddof=1) / 20
        assert found.error**2 >= max(test.error**2, rows) - 1e-15


def test_models_that_answer_alike_have_no_rows_that_differ():
    same = Contributions.of([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert on_new_texts(TTest(2, 0.0, 0.0, 1), same, same).error == 0
