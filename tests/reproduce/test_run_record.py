from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.reproduce.conftest import Make
from tests.reproduce.test_result import BAND, experiment

from alpkd_pipeline.reproduce.compare import compare_models
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.result import RerunResult
from alpkd_pipeline.reproduce.run import last_verdicts, write_record
from alpkd_pipeline.reproduce.verdict import (
    BITWISE,
    DRIFTED,
    FAILED,
)
from alpkd_pipeline.store.manifest import read_json, write_json


def test_what_is_written(then: StoredRun, now: Make, tmp_path: Path) -> None:
    found = compare_models(then, now(score=0.7, weights=b"other"))
    result = RerunResult("20260314-031500", "1" * 64, [experiment(replace(found, band=BAND))], 3.25)
    page = write_record(tmp_path, result, "kedro rerun x")
    assert page == tmp_path / "08_reporting/reruns/20260314-031500-11111111/report.md"
    values = read_json(page.with_name("rerun.json"))
    assert values["verdict"] == DRIFTED
    assert values["command"] == "kedro rerun x"
    (model,) = values["cells"][0]["models"]
    assert model["band"]["high"] == 0.02
    assert round(model["difference"], 6) == -0.05
    assert values["cells"][0]["verdict"] == DRIFTED


def test_the_last_record_of_a_key_counts(then: StoredRun, now: Make, tmp_path: Path) -> None:
    equal = experiment(compare_models(then, now()))
    drifted = experiment(replace(compare_models(then, now(score=0.1, weights=b"o")), band=BAND))
    write_record(tmp_path, RerunResult("20260314-031500", "1" * 64, [drifted], 1.0), "x")
    assert last_verdicts(tmp_path) == {"1" * 64: DRIFTED}
    write_record(tmp_path, RerunResult("20260321-031500", "2" * 64, [equal], 1.0), "x")
    assert last_verdicts(tmp_path) == {"1" * 64: BITWISE}


def test_a_rerun_that_failed_takes_no_verdict_back(tmp_path: Path) -> None:
    for day, verdict in (("14", DRIFTED), ("21", FAILED)):
        folder = tmp_path / f"08_reporting/reruns/202603{day}-031500-11111111"
        write_json(folder / "rerun.json", {"cells": [{"original": "1", "verdict": verdict}]})
    assert last_verdicts(tmp_path) == {"1": DRIFTED}


def test_a_record_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "08_reporting/reruns/20260314-031500-11111111"
    folder.mkdir(parents=True)
    (folder / "rerun.json").write_text("{")
    assert last_verdicts(tmp_path) == {}
