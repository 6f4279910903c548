from __future__ import annotations

from tests.reproduce.conftest import Make

from alpkd_pipeline.reproduce.compare import compare_models
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.store.manifest import seal


def test_predictions_are_counted(then: StoredRun, now: Make) -> None:
    (answer,) = compare_models(then, now(predictions=(1, 1, 1, 1))).predictions
    assert (answer.rows, answer.differing, answer.unequal) == (4, 1, 1)
    assert not answer.equal


def test_probabilities_count_though_the_predictions_are_the_same(
    then: StoredRun, now: Make
) -> None:
    made = now()
    table = made.path / "predictions" / "dev.csv"
    table.write_text(table.read_text().replace("0.5", "0.50001", 1))
    seal(made.path, {"key": made.key, "stage": made.stage})
    (answer,) = compare_models(then, made).predictions
    assert (answer.differing, answer.unequal) == (0, 1)
    assert not answer.equal


def test_predictions_to_other_examples_are_not_counted(then: StoredRun, now: Make) -> None:
    (answer,) = compare_models(then, now(predictions=(1, 0, 1))).predictions
    assert not answer.same_examples
    assert not answer.equal


def test_predictions_that_are_gone_are_not_equal(then: StoredRun, now: Make) -> None:
    made = now()
    (made.path / "predictions" / "dev.csv").unlink()
    (answer,) = compare_models(then, made).predictions
    assert answer.rows is None
    assert not answer.equal
