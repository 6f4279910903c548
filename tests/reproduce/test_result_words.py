from __future__ import annotations

from dataclasses import replace

from tests.reproduce.conftest import Make, write_scores
from tests.reproduce.test_result import BAND, experiment

from alpkd_pipeline.reproduce.compare import compare_models
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.result import RerunResult, report_page, terminal_text

TIME = "20260314-031500"


def test_the_last_line_says_it_all(then: StoredRun, now: Make) -> None:
    equal = experiment(compare_models(then, now()))
    lines = terminal_text(RerunResult(TIME, "1" * 64, [equal], 3.0), "report.md").splitlines()
    assert lines[-2:] == ["report: report.md", "bitwise equal: kd-4L-s0"]
    assert "    losses   all 3 recorded steps equal" in lines


def test_what_moved_and_by_how_much_against_the_band(then: StoredRun, now: Make) -> None:
    other = now(score=0.5, losses=(0.75, 0.6, 0.25), predictions=(0, 0, 1, 1), weights=b"other")
    drifted = experiment(replace(compare_models(then, other), band=BAND), differs=("libraries",))
    text = terminal_text(RerunResult(TIME, "1" * 64, [drifted], 3.0), "report.md")
    assert "differ from step 2 on: 0.5 -> 0.6, at most 0.1 apart" in text
    assert "training/dev: 1 of 4 answered differently" in text
    assert "dev.accuracy 0.7500 -> 0.5000 (-0.2500; noise: -0.0200 to +0.0200" in text
    assert "differs    x: 1 -> 2" in text
    assert text.splitlines()[-1] == "drifted: kd-4L-s0"
    assert "not reproduced: kd-4L-s0 (mrpc): student dev.accuracy" in text


def test_many_experiments_are_counted(then: StoredRun, now: Make) -> None:
    equal = experiment(compare_models(then, now()))
    result = RerunResult(TIME, "1" * 64, [equal, equal, experiment(error="no disk")], 3.0)
    lines = terminal_text(result, "report.md").splitlines()
    assert lines[-1] == "failed: of 3 reruns 2 bitwise equal, 1 failed"
    assert "not reproduced: kd-4L-s0 (mrpc): no disk" in lines


def test_the_page_has_a_section_for_each_experiment(then: StoredRun, now: Make) -> None:
    equal = experiment(compare_models(then, now()))
    result = RerunResult(
        TIME, "1" * 64, [equal, experiment(error="no disk")], 3.0, notes=["a note"]
    )
    page = report_page(result, "kedro rerun x")
    assert page.startswith("# Rerun: failed\n")
    assert page.count("\n## ") == 2
    assert "- a note" in page
    assert "`kedro rerun x`" in page
    assert "  data       the same rows\n" in page


def test_what_was_not_compared_is_said(then: StoredRun, now: Make) -> None:
    rerun = now()
    write_scores(rerun, dev={"accuracy": 0.75})
    (then.path / "events.jsonl").write_text("{\n")
    one = experiment(compare_models(then, rerun))
    result = RerunResult(TIME, "1" * 64, [one], 3.0)
    text = terminal_text(result, "report.md")
    assert "    losses   cannot be read\n" in text
    assert "    not compared: the original has no dev scores of the saved model" in text
    assert "    not compared: the original has no" in report_page(result, "x")
