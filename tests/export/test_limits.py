from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from alpkd_pipeline.export.limits import LEVEL, loss_of, share_limits


@pytest.mark.parametrize(
    ("count", "rows", "high"),
    # Percent, as anyone finds them in a table of Clopper-Pearson limits.
    [(0, 277, 1.08), (1, 277, 1.70), (0, 408, 0.73), (10, 408, 4.12), (10, 872, 1.94)],
)
def test_the_upper_limit_of_a_share(count: int, rows: int, high: float) -> None:
    assert 100 * share_limits(count, rows)[1] == pytest.approx(high, abs=0.005)


def test_a_limit_is_where_so_few_would_be_seen_in_one_of_twenty_samples() -> None:
    low, high = share_limits(7, 200)
    assert binom.cdf(7, 200, high) == pytest.approx(1 - LEVEL)
    assert binom.sf(6, 200, low) == pytest.approx(1 - LEVEL)


def test_none_and_all_of_the_rows_have_an_end() -> None:
    assert share_limits(0, 50)[0] == 0.0
    assert share_limits(50, 50)[1] == 1.0


def test_a_loss_of_accuracy_and_its_exact_limit() -> None:
    labels = np.zeros(400, int)
    before, after = np.zeros(400, int), np.zeros(400, int)
    after[:6] = 1  # six right answers lost
    before[390:] = 1  # ten won
    seen, limit = loss_of("accuracy", labels, before, after)
    assert seen == pytest.approx(-4 / 400)
    half = 1 - (1 - LEVEL) / 2
    assert limit == pytest.approx(share_limits(6, 400, half)[1] - share_limits(10, 400, half)[0])
    assert limit > seen


def test_the_limit_holds_in_at_least_the_share_of_samples_that_it_says() -> None:
    draw, held, times = np.random.default_rng(0), 0, 400
    lost, won, rows = 0.03, 0.01, 300
    for _ in range(times):
        kind = draw.choice(3, size=rows, p=[lost, won, 1 - lost - won])
        labels = np.zeros(rows, int)
        before, after = (kind == 1).astype(int), (kind == 0).astype(int)
        held += loss_of("accuracy", labels, before, after)[1] >= lost - won
    assert held / times >= LEVEL


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_other_metrics_lose_what_their_scores_lose(metric: str) -> None:
    draw = np.random.default_rng(3)
    labels = draw.integers(2, size=300)
    before, after = labels.copy(), labels.copy()
    before[:30], after[:60] = 1 - before[:30], 1 - after[:60]
    seen, limit = loss_of(metric, labels, before, after)
    assert 0 < seen < limit


def test_an_error_that_grows_is_a_loss() -> None:
    labels = np.linspace(0, 5, 100)
    draw = np.random.default_rng(1)
    before, after = labels + draw.normal(0, 0.1, 100), labels + draw.normal(0, 0.3, 100)
    seen, limit = loss_of("rmse", labels, before, after)
    assert 0.1 < seen < limit < 0.4
