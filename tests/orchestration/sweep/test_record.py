from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.orchestration.sweep.conftest import SMALL, finish_cell

from alpkd_pipeline.orchestration.sweep.grid import parse_spec
from alpkd_pipeline.orchestration.sweep.jobs import Outcome
from alpkd_pipeline.orchestration.sweep.plan import Plan
from alpkd_pipeline.orchestration.sweep.record import SweepRecord, sweep_id
from alpkd_pipeline.store.layout import sweep_records
from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.unfinished import busy, is_held

MakePlan = Callable[..., Plan]


def make(plan: Plan, store: Path, name: str = "sweep-x") -> SweepRecord:
    return SweepRecord(store, name, "minilm", parse_spec(SMALL), "kedro sweep", plan)


def test_a_name_says_where_and_when() -> None:
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert sweep_id(None, at) == "sweep-base-20300102T030405Z"
    assert sweep_id("paper", at) == "sweep-paper-20300102T030405Z"
    assert sweep_id(None, at, 2) == "sweep-base-20300102T030405Z-2"


def test_a_name_is_taken_once(plan: MakePlan, tmp_path: Path) -> None:
    record = make(plan(seeds=[0]), tmp_path)
    assert (record.claim(), record.claim()) == (True, False)
    assert sweep_records(tmp_path) == []
    other = make(plan(seeds=[0]), tmp_path)
    assert not other.claim()
    record.begin()
    record.release()
    assert not other.claim(), "the name of an earlier sweep"
    assert not is_held(lock_file(record.path.with_suffix("")))


def test_a_sweep_holds_its_lock_as_long_as_it_runs(plan: MakePlan, tmp_path: Path) -> None:
    record = make(plan(seeds=[0]), tmp_path)
    record.claim()
    assert busy(tmp_path) == [record.path.with_suffix("")]
    record.release()
    assert busy(tmp_path) == []


def test_a_record_says_what_was_asked_for_and_what_became_of_it(
    plan: MakePlan, tmp_path: Path
) -> None:
    finish_cell(plan(seeds=[0]).cells[0].cell)
    made = plan(seeds=[0])
    record = make(made, tmp_path)
    record.begin()
    begun = json.loads(record.path.read_text())
    assert begun["ended"] is None
    assert [c["state"] for c in begun["cells"]] == ["done"] + 5 * ["todo"]

    failed, *others = made.of_kind("cell")
    outcomes = [Outcome(failed.job, "failed", 2.5, "diverged")]
    outcomes += [Outcome(step.job, "done", 1.0) for step in others]
    record.end(outcomes)
    (ended,) = sweep_records(tmp_path)
    assert ended["started"] <= ended["ended"]
    assert (ended["id"], ended["env"], ended["command"]) == ("sweep-x", "minilm", "kedro sweep")
    assert ended["spec"]["methods"] == ["no_kd", "kd", "alp_kd"]
    assert [c["key"] for c in ended["cells"]] == [p.cell.student.key for p in made.cells]
    _, second, *_ = ended["cells"]
    assert second["coordinates"]["method"] == "kd"
    assert (second["state"], second["error"], second["seconds"]) == ("failed", "diverged", 2.5)
    kinds = {j["name"]: (j["kind"], j["state"]) for j in ended["jobs"]}
    assert kinds["demo teacher t0"] == ("teacher", "todo")
    assert kinds[others[0].job.name] == ("cell", "done")


def test_records_that_cannot_be_read_are_left_out(plan: MakePlan, tmp_path: Path) -> None:
    assert sweep_records(tmp_path) == []
    record = make(plan(seeds=[0]), tmp_path)
    record.begin()
    record.path.with_name("broken.json").write_text("{")
    record.path.with_name("other.json").write_text("{}")
    assert [r["id"] for r in sweep_records(tmp_path)] == ["sweep-x"]
