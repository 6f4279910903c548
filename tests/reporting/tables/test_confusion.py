"""Confusion counts and the scores of classes, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from alpkd_pipeline.reporting.statistics.judge import LabelledPredictions
from alpkd_pipeline.reporting.tables.confusion import class_rows

NAMES = ("no", "perhaps", "yes")


def test_a_run_by_hand() -> None:
    no, yes = class_rows(("no", "yes"), [LabelledPredictions([0, 0, 0, 1, 1], [0, 0, 1, 1, 0])])
    assert no == ("no", (2, 1), 2 / 3, 2 / 3, 2 / 3, 3.0)
    assert yes == ("yes", (1, 1), 1 / 2, 1 / 2, 1 / 2, 2.0)


def test_counts_are_summed_and_scores_are_means_over_runs() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(3, size=200)
    given = [np.where(draw.random(200) < 0.7, labels, draw.integers(3, size=200)) for _ in "abc"]
    rows = class_rows(
        NAMES, [LabelledPredictions(labels.tolist(), predictions.tolist()) for predictions in given]
    )
    assert [row.name for row in rows] == [*NAMES]
    together = sum(confusion_matrix(labels, predictions) for predictions in given)
    assert [row.counts for row in rows] == [tuple(line) for line in together.tolist()]
    each = [precision_recall_fscore_support(labels, predictions) for predictions in given]
    found = [[row.precision, row.recall, row.f1, row.support] for row in rows]
    np.testing.assert_allclose(found, np.mean(each, axis=0).T)


def test_a_class_that_is_never_the_answer_and_one_without_rows() -> None:
    labels, predictions = [0, 0, 2, 2], [0, 0, 0, 1]
    rows = class_rows(NAMES, [LabelledPredictions(labels, predictions)])
    with pytest.warns(match="ill-defined"):
        expected = precision_recall_fscore_support(labels, predictions, labels=[0, 1, 2])
    found = [[row.precision, row.recall, row.f1, row.support] for row in rows]
    np.testing.assert_allclose(found, np.array(expected).T)
    assert [row.counts for row in rows] == [(2, 0, 0), (0, 0, 0), (1, 1, 0)]
