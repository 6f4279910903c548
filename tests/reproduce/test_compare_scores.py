from __future__ import annotations

from pathlib import Path

from tests.reporting.conftest import TASK
from tests.reproduce.conftest import Make, write_run, write_scores

from alpkd_pipeline.reproduce.compare import compare_models
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.verdict import BITWISE

MNLI = {**TASK, "dev_splits": ["dev_matched", "dev_mismatched"]}


def test_scores_of_the_saved_model_come_first(then: StoredRun, now: Make) -> None:
    rerun = now()
    write_scores(then, dev={"f1": 0.5, "accuracy": 0.7})
    write_scores(rerun, dev={"f1": 0.5, "accuracy": 0.8})
    found = compare_models(then, rerun)
    assert found.primary == ("dev.accuracy", 0.7, 0.8)
    assert list(found.scores) == ["dev.accuracy", "dev.f1"]
    assert not found.bitwise
    assert (found.skipped, found.missing) == (None, None)


def test_an_original_that_was_never_scored_is_compared_by_what_chose_it(tmp_path: Path) -> None:
    then, rerun = (write_run(tmp_path / name, run={"task": MNLI}) for name in ("then", "now"))
    write_scores(rerun, dev_matched={"accuracy": 0.7}, dev_mismatched={"accuracy": 0.6})
    found = compare_models(then, rerun)
    assert found.verdict == BITWISE
    assert found.primary == ("dev.accuracy", 0.75, 0.75)
    assert "the original has no dev scores" in (found.skipped or "")


def test_the_primary_metric_comes_first_on_a_split_of_another_name(tmp_path: Path) -> None:
    task = {**TASK, "metrics": ["f1", "accuracy"]}
    chosen = {"scores": {"holdout": {"accuracy": 0.5, "f1": 0.25}}}
    runs = [write_run(tmp_path / n, run={"task": task}, metrics=chosen) for n in ("then", "now")]
    write_scores(runs[1], dev={"accuracy": 0.7, "f1": 0.6})
    assert compare_models(*runs).primary == ("holdout.f1", 0.25, 0.25)


def test_a_rerun_without_scores_is_not_equal(then: StoredRun, now: Make) -> None:
    write_scores(then, dev={"accuracy": 0.7})
    found = compare_models(then, now())
    assert not found.bitwise
    assert "the rerun has no dev scores" in (found.missing or "")


def test_nothing_is_said_where_neither_was_scored(then: StoredRun, now: Make) -> None:
    found = compare_models(then, now())
    assert found.scores["dev.accuracy"] == (0.75, 0.75)
    assert (found.skipped, found.missing) == (None, None)
