from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from alpkd_pipeline.export import calibrate as module
from alpkd_pipeline.export.calibrate import (
    FEWEST,
    FOLDS,
    Calibration,
    calibrate,
    ece,
    ece_of_calibrated,
    fit_temperature,
    fit_threshold,
    nll,
    reliability,
    softened,
)


def drawn(
    rows: int, sharp: float, classes: int = 2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `sharp` times as large as those of the probabilities that labels follow."""
    draw = np.random.default_rng(seed)
    true = draw.normal(0, 1.5, (rows, classes))
    chances = softened(true, 1.0)
    labels = (draw.random(rows)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    return true * sharp, labels


@pytest.mark.parametrize("sharp", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_temperature_undoes_what_was_done(sharp: float, classes: int) -> None:
    logits, labels = drawn(20_000, sharp, classes)
    assert fit_temperature(logits, labels) == pytest.approx(sharp, rel=0.05)


def test_it_is_that_of_scikit_learn() -> None:
    logits, labels = drawn(500, 2.5, 3)
    linear = LogisticRegression().fit(logits, labels)
    linear.coef_, linear.intercept_ = np.eye(3), np.zeros(3)
    # A classifier whose decision function is the logits themselves.
    theirs = CalibratedClassifierCV(FrozenEstimator(linear), method="temperature")
    theirs.fit(logits, labels)
    beta = theirs.calibrated_classifiers_[0].calibrators[0].beta_
    ours = softened(logits, fit_temperature(logits, labels))
    assert np.abs(softened(logits, 1 / beta) - ours).max() < 1e-4


def test_negative_log_likelihood_and_calibration_error_by_hand() -> None:
    chances = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.55, 0.45]])
    labels = np.array([0, 1, 1, 0])
    by_hand = -(np.log(0.9) + np.log(0.8) + np.log(0.4) + np.log(0.55)) / 4
    assert nll(chances, labels) == pytest.approx(by_hand)
    # Bins of a fifteenth: .9, .8, .6 and .55 lie each in one of its own.
    assert ece(chances, labels) == pytest.approx((0.1 + 0.2 + 0.6 + 0.45) / 4)
    assert [one["rows"] for one in reliability(chances, labels)] == [1, 1, 1, 1]


def test_a_probability_of_one_is_in_the_last_bin() -> None:
    assert reliability(np.array([[0.0, 1.0]]), np.array([1])) == [
        {"rows": 1, "confidence": 1.0, "accuracy": 1.0}
    ]


def test_a_calibrated_model_shows_an_error_too_and_a_smaller_one_with_more_rows() -> None:
    few, many = (softened(drawn(rows, 1.0)[0], 1.0) for rows in (200, 20_000))
    assert 0.02 < np.median(ece_of_calibrated(few)) < 0.1
    assert np.median(ece_of_calibrated(many)) < 0.01


def test_an_overconfident_model_is_softened_and_judged_on_rows_that_it_was_not_fitted_on() -> None:
    logits, labels = drawn(2000, 3.0)
    found = calibrate(logits, labels, "accuracy")
    assert found.temperature == pytest.approx(3.0, rel=0.15)
    facts = found.to_dict()
    assert facts["nll"]["after"] < facts["nll"]["before"]
    assert facts["ece"]["after"] < facts["ece"]["before"]
    assert facts["ece"]["calibrated_median"] < facts["ece"]["calibrated_95"]
    assert (facts["rows"], facts["folds"]) == (2000, FOLDS)
    assert found.probabilities(logits) == pytest.approx(softened(logits, found.temperature))


def test_cross_fitting_sees_that_a_fit_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit that knows only the rows it was given would look good on those."""
    logits, labels = drawn(200, 1.0)
    monkeypatch.setattr(module, "fit_temperature", lambda logits, labels: 5.0)
    assert calibrate(logits, labels, "accuracy").temperature == 1.0


def test_no_row_is_judged_by_a_fit_that_saw_it() -> None:
    seen: list[set[int]] = []

    def fit(rows: np.ndarray) -> float:
        seen.append({*rows.tolist()})
        return float(len(seen) - 1)

    found = module._cross_fitted(fit, 103)
    assert len(seen) == FOLDS
    assert all(row not in seen[int(fold)] for row, fold in enumerate(found))


def test_a_threshold_is_used_where_its_gain_is_shown() -> None:
    """The second class is rare and its logits are too low: half of it is missed at one half."""
    draw = np.random.default_rng(2)
    labels = (draw.random(3000) < 0.3).astype(int)
    second = labels * 2.0 - 1.6 + draw.normal(0, 0.7, 3000)
    logits = np.stack([np.zeros(3000), second], axis=1)
    found = calibrate(logits, labels, "accuracy")
    assert found.threshold is not None
    assert found.threshold < 0.45
    facts = found.to_dict()["score"]
    assert facts["after"] > facts["before"] + 0.01
    predictions = found.classes(logits)
    assert (predictions == labels).mean() > (logits.argmax(axis=1) == labels).mean()


def test_a_threshold_is_not_used_for_chance() -> None:
    logits, labels = drawn(1000, 1.0, seed=5)
    assert calibrate(logits, labels, "accuracy").threshold is None


@pytest.mark.parametrize("metric", ["accuracy", "f1", "matthews"])
def test_the_best_threshold_of_a_few_rows(metric: str) -> None:
    second = np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.9])
    cut = fit_threshold(second, np.array([0, 0, 1, 1, 1, 1]), metric)
    assert 0.2 < cut <= 0.3


def test_more_classes_have_no_threshold_and_few_rows_nothing() -> None:
    logits, labels = drawn(400, 2.0, 3)
    found = calibrate(logits, labels, "accuracy")
    assert found.threshold is None
    assert found.to_dict()["score"]["after"] is None
    few = calibrate(logits[: FEWEST - 1], labels[: FEWEST - 1], "accuracy")
    assert few == Calibration()
    assert few.to_dict() == {"temperature": 1.0, "threshold": None}


def test_large_logits_do_not_overflow() -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]] * 50, np.float32)
    assert np.isfinite(softened(logits, 0.5)).all()
    assert np.isfinite(nll(softened(logits, 1.0), np.zeros(100, int)))
    assert np.isfinite(log_softmax(logits, axis=1)[0, 0])
