"""The sweep as a whole, with an engine that trains nothing; tests/behaviour has real ones."""

from __future__ import annotations

import errno
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.experiments.conftest import MakeSweep, ToyEngine, finish_experiment

from alpkd_pipeline.experiments import campaign
from alpkd_pipeline.experiments import sweep as run_module
from alpkd_pipeline.experiments.jobs import (
    EngineLostError,
    Event,
    Job,
    Outcome,
    Ran,
    answer,
)
from alpkd_pipeline.experiments.sweep import Sweep
from alpkd_pipeline.store.layout import sweep_records
from alpkd_pipeline.store.unfinished import busy


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ToyEngine:
    toy = ToyEngine(slots=2)
    monkeypatch.setattr(Sweep, "engine", lambda *_given: toy)
    return toy


def test_the_plan_lists_every_experiment_and_counts(
    sweep: MakeSweep, engine: ToyEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    finish_experiment(sweep().plan.experiments[0].experiment)
    sweep().tell_plan("local", None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["done: demo no_kd 2L s0", "todo: demo kd 2L s0"]
    assert "12 experiments: 1 done, 0 stale, 11 to do" in lines
    assert "beside them: 2 teachers, 2 sets of signals" in lines
    assert any(line.startswith("no estimate for 2 trainings") for line in lines)
    assert any(line.startswith("about ") for line in lines)
    assert engine.began == []


def test_every_run_knows_its_sweep_and_no_key_does(sweep: MakeSweep) -> None:
    one = sweep()
    assert {p.experiment.params.run.group for p in one.plan.experiments} == {one.name}
    other = sweep(group="mine")
    assert other.plan.experiments[0].experiment.params.run.group == "mine"
    keys = [[p.experiment.student_scores.key for p in s.plan.experiments] for s in (one, other)]
    assert keys[0] == keys[1]


def test_all_jobs_run_and_the_record_is_written(
    sweep: MakeSweep, engine: ToyEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep().run("local", None) == 0
    assert len(engine.began) == 2 + 2 + 12
    assert engine.stopped.is_set()
    said = capsys.readouterr().out
    assert "[16/16] done: demo alp_kd 1L s1" in said
    (record,) = sweep_records(tmp_path / "store")
    assert {experiment["state"] for experiment in record["cells"]} == {"done"}
    assert record["started"] <= record["ended"]
    assert (record["env"], record["command"]) == (None, "kedro sweep")
    assert record["spec"]["methods"] == ["no_kd", "kd", "alp_kd"]


def test_a_sweep_holds_its_name_and_says_what_is_to_do_as_long_as_it_runs(
    sweep: MakeSweep, engine: ToyEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = tmp_path / "store", list[Any]()

    def look(*_given: object) -> Ran:
        (record,) = sweep_records(store)
        seen.append(
            (busy(store), record["ended"], {experiment["state"] for experiment in record["cells"]})
        )
        return Ran([], stopped=False)

    monkeypatch.setattr(run_module, "run_jobs", look)
    made = sweep()
    made.run("local", None)
    assert seen == [([store / "08_reporting" / "sweeps" / made.name], None, {"todo"})]
    assert busy(store) == []


def test_a_failure_gives_exit_code_1_and_its_line(
    sweep: MakeSweep, engine: ToyEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answers = {"demo teacher t1": [answer("failed", "diverged")]}
    assert sweep().run("local", None) == 1
    lines = capsys.readouterr().out.splitlines()
    (failure,) = (line for line in lines if line.startswith("failed: demo teacher t1"))
    assert failure.endswith(": diverged")
    assert "not run: 7 jobs (demo teacher t1 failed)" in lines


def test_nothing_to_do_starts_nothing(sweep: MakeSweep, engine: ToyEngine) -> None:
    for planned in sweep().plan.experiments:
        finish_experiment(planned.experiment)
    assert sweep().run("local", None) == 0
    assert engine.began == []


def test_two_sweeps_of_one_second_have_names_of_their_own(
    sweep: MakeSweep, engine: ToyEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2030, 1, 2, tzinfo=tz)

    monkeypatch.setattr(run_module, "datetime", Now)
    both = sweep(), sweep()
    assert [one.run("local", None) for one in both] == [0, 0]
    name = "sweep-base-20300102T000000Z"
    assert [one.name for one in both] == [name, f"{name}-2"]
    assert {p.experiment.params.run.group for p in both[1].plan.experiments} == {f"{name}-2"}
    records = (tmp_path / "store" / "08_reporting" / "sweeps").glob("*.json")
    assert {json.loads(path.read_text())["id"] for path in records} == {name, f"{name}-2"}


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")]
)
def test_however_a_sweep_ends_its_record_is_written_and_its_run_closed(
    sweep: MakeSweep,
    engine: ToyEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Any,
    status: str,
) -> None:
    def half(jobs: list[Job], _engine: Any, heard: Any) -> None:
        heard(Event(jobs[0], 0, Outcome(jobs[0], "failed", 1.0, "no space left")))
        raise error

    monkeypatch.setattr(run_module, "run_jobs", half)
    made, closed = sweep(), list[str]()
    monkeypatch.setattr(made._group, "close", lambda how, *_rest: closed.append(how))
    if error is KeyboardInterrupt:
        assert made.run("local", None) == 130
    else:
        with pytest.raises(error):
            made.run("local", None)
    assert closed == [status]
    assert engine.stopped.is_set()
    (path,) = (tmp_path / "store" / "08_reporting" / "sweeps").glob("*.json")
    record = json.loads(path.read_text())
    assert record["ended"] is not None
    assert record["jobs"][0]["error"] == "no space left"


def test_a_disk_that_fills_up_under_the_record_leaves_no_run_open(
    sweep: MakeSweep, engine: ToyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = campaign.write_record

    def full(*given: Any, ended: bool) -> None:
        if ended:
            raise OSError(errno.ENOSPC, "No space left on device", "sweeps/x.json")
        write(*given, ended=ended)

    made, closed = sweep(), list[str]()
    monkeypatch.setattr(made._group, "close", lambda how, *_rest: closed.append(how))
    monkeypatch.setattr(campaign, "write_record", full)
    with pytest.raises(OSError, match="No space left"):
        made.run("local", None)
    assert closed == ["FINISHED"]
    assert engine.stopped.is_set()


def test_an_engine_that_is_lost_leaves_a_record_of_what_was_done(
    sweep: MakeSweep, engine: ToyEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answers = {"demo signals t1": [EngineLostError("no machine is left")]}
    made, closed = sweep(report=True), list[str]()
    monkeypatch.setattr(made._group, "close", lambda how, *_rest: closed.append(how))
    with pytest.raises(EngineLostError, match="no machine is left"):
        made.run("local", None)
    assert closed == ["FAILED"]
    assert engine.stopped.is_set()
    (path,) = (tmp_path / "store" / "08_reporting" / "sweeps").glob("*.json")
    states = {job["name"]: job["state"] for job in json.loads(path.read_text())["jobs"]}
    assert states["demo teacher t1"] == "done"
    assert states["demo signals t1"] == "todo"


def test_mlflow_hears_how_many_experiments_failed(
    sweep: MakeSweep, engine: ToyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answers = {"demo kd 2L s1": [answer("failed", "diverged")]}
    made, told = sweep(), dict[str, float]()
    monkeypatch.setattr(made._group, "close", lambda _how, metrics, _files: told.update(metrics))
    made.run("local", None)
    assert told == {"cells": 12, "cells.done": 0, "cells.failed": 1}


def test_presets_in_use_are_named_first(
    sweep: MakeSweep, engine: ToyEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"where": {"method": "kd"}, "set": {"training.lr": 8e-4}, "by": "tune-x: best"}
    path = tmp_path / "conf" / "base" / "parameters" / "tuned.yml"
    path.write_text(yaml.safe_dump({"tuned": [entry]}))
    sweep().tell_plan("local", None)
    lines = capsys.readouterr().out.splitlines()
    told = "preset in use: training.lr=0.0008 (tune-x: best; the parameter 'tuned' of conf/)"
    named = [line for line in lines if "preset" in line]
    assert named == lines[: len(named)]
    assert f"demo kd 2L: {told}" in named
    assert not any("no_kd" in line for line in named)
