from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.tracking.conftest import KEY, TEACHER_KEY, Training, run_json

from alpkd_pipeline.store.manifest import publish, write_json
from alpkd_pipeline.store.run_folder import DamagedError
from alpkd_pipeline.tracking.flatten import NOTE_TAG
from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.points import final_points, find_scores, results_table
from alpkd_pipeline.tracking.settings import TrackingSettings, read_state

Rows = Callable[..., list[tuple[Any, ...]]]
DEV = {"accuracy": 0.75, "f1": 0.5}


class Store:
    """A store with a student, its teacher, and what they scored."""

    def __init__(self, root: Path) -> None:
        self.root = root
        inputs = {"inputs": {"teacher": "../../../teachers/mrpc/demo-s0-b2"}}
        self.student = Training(root / "06_models/students/mrpc", "kd-3L-s1-a1", **inputs).whole()
        self._teacher = Training(
            root / "06_models/teachers/mrpc", "demo-s0-b2", stage="teacher", key=TEACHER_KEY
        )

    def teach(self) -> Path:
        return self._teacher.whole()

    def score(self, folder: Path, stage: str, key: str, of: str, **splits: Any) -> Path:
        place = self.root / "07_model_output/scores/mrpc" / f"{folder.name}-{key[:8]}"
        work = place.with_name(f"{place.name}.work")
        found = {n: {"rows": 4, "scores": s} for n, s in (splits or {"dev": DEV}).items()}
        write_json(work / "scores.json", {"splits": found})
        publish(work, place, {"key": key, "made_from": {stage: of}})
        return place

    def evaluate(self, key: str, sealed_s: int, *own: str, **splits: Any) -> Path:
        """An evaluation of the student, sealed so many seconds after 1970."""
        name = f"{self.student.name}-{key[:8]}"
        place = self.root / "07_model_output/evaluation/mrpc" / name
        found = {n: {"rows": 4, "scores": s} for n, s in splits.items()}
        work = place.with_name(f"{name}.work")
        write_json(work / "scores.json", {"splits": found, "metrics": dict.fromkeys(own, "d" * 64)})
        publish(work, place, {"key": key, "made_from": {"student": KEY}})
        os.utime(place / "manifest.json", (sealed_s, sealed_s))
        return place


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def test_scores_are_found_by_the_key_of_what_was_scored(store: Store) -> None:
    assert find_scores(store.student) is None
    store.score(store.student, "student", "9" * 64, of="another student")
    assert find_scores(store.student) is None
    store.score(store.student, "student", "8" * 64, of=KEY, dev=DEV, hidden=None)
    found = find_scores(store.student)
    assert found is not None
    assert (found.key, found.splits) == ("8" * 64, {"dev": DEV})


def test_the_newest_scores_count_and_damaged_ones_are_refused(store: Store) -> None:
    old = store.score(store.student, "student", "8" * 64, of=KEY)
    new = store.score(store.student, "student", "7" * 64, of=KEY)
    os.utime(old / "manifest.json", (1, 1))
    assert find_scores(store.student).key == "7" * 64  # type: ignore[union-attr]
    (new / "scores.json").write_text("")
    with pytest.raises(DamagedError, match=r"scores\.json is damaged"):
        find_scores(store.student)


def test_a_folder_outside_a_store_has_no_scores() -> None:
    assert find_scores(Path("x")) is None


def test_the_primary_score_has_one_name_for_all_tasks(store: Store) -> None:
    store.score(store.student, "student", "8" * 64, of=KEY, dev=DEV, dev_mismatched=DEV)
    found = find_scores(store.student)
    assert found is not None
    points = final_points(store.student, run_json(), found)
    assert {p.name: p.value for p in points} == {
        "score": 0.75,
        "final.dev.accuracy": 0.75,
        "final.dev.f1": 0.5,
        "final.dev_mismatched.accuracy": 0.75,
        "final.dev_mismatched.f1": 0.5,
    }
    assert {(p.step, p.time_ms) for p in points} == {(0, 1_700_000_100_250)}


def test_metrics_of_a_user_s_own_are_those_of_the_newest_evaluation(store: Store) -> None:
    store.evaluate("1" * 64, 1_800_000_000, "mine", dev={**DEV, "mine": 0.25})
    assert find_scores(store.student) is None
    store.score(store.student, "student", "8" * 64, of=KEY, dev=DEV, hidden=None)
    whole = {"accuracy": 0.5, "mine": 2.5, "sides.more": 1.0, "mine_not": 7.0}
    store.evaluate("2" * 64, 1_800_000_001, "mine", "sides", train=whole, dev=whole, hidden=None)
    found = find_scores(store.student)
    assert found is not None
    assert found.key == f"{'8' * 64}+{'2' * 64}"
    assert found.splits == {"dev": DEV}
    points = {p.name: p for p in final_points(store.student, run_json(), found)}
    assert {name: point.value for name, point in points.items()} == {
        "score": 0.75,
        "final.dev.accuracy": 0.75,
        "final.dev.f1": 0.5,
        "final.dev.mine": 2.5,
        "final.dev.sides.more": 1.0,
    }
    assert points["final.dev.mine"].time_ms == 1_800_000_001_000
    assert points["final.dev.accuracy"].time_ms == 1_700_000_100_250


def test_an_evaluation_without_them_says_nothing_new(store: Store) -> None:
    store.score(store.student, "student", "8" * 64, of=KEY)
    store.evaluate("2" * 64, 1_800_000_000, dev=DEV)
    found = find_scores(store.student)
    assert found is not None
    assert (found.key, found.own) == ("8" * 64, {})


def test_a_metric_that_was_edited_has_its_new_value_in_mlflow(
    store: Store, settings: TrackingSettings, rows: Rows
) -> None:
    store.score(store.student, "student", "8" * 64, of=KEY)
    latest = "select value from latest_metrics where key = 'final.dev.mine'"
    for number, value in enumerate((9.0, 1.0), start=1):
        store.evaluate(f"{number}" * 64, 1_800_000_000 + number, "mine", dev={"mine": value})
        for _ in range(2):
            sync_folder(store.student, settings)
            assert rows(latest) == [(value,)]
    assert rows("select value from latest_metrics where key = 'score'") == [(0.75,)]
    assert len(rows("select value from metrics where key = 'final.dev.mine'")) == 2
    assert read_state(store.student).scored == f"{'8' * 64}+{'2' * 64}"


def test_teacher_and_student_stand_side_by_side(store: Store) -> None:
    teacher = store.teach()
    store.score(teacher, "teacher", "6" * 64, of=TEACHER_KEY, dev={"accuracy": 0.875, "f1": 1})
    assert results_table(store.student, run_json() | store_inputs(store)).splitlines() == [
        "| model | layers | parameters | dev accuracy | training |",
        "| --- | --- | --- | --- | --- |",
        "| teacher | 6 | 0.00 M | 0.8750 | 2 s |",
        "| student | 3 | 0.00 M | 0.7000 | 2 s |",
    ]


def store_inputs(store: Store) -> dict[str, Any]:
    run = json.loads((store.student / "run.json").read_text())
    return {"inputs": run["inputs"]}


def test_a_student_whose_teacher_is_gone_stands_alone(store: Store) -> None:
    table = results_table(store.student, run_json() | store_inputs(store))
    assert "teacher" not in table
    assert "student" in table


def test_scores_reach_the_run_with_the_training_or_after_it(
    store: Store, settings: TrackingSettings, rows: Rows
) -> None:
    run_id = sync_folder(store.student, settings)
    assert rows("select value from metrics where key = 'score'") == []
    note = "select value from tags where key = 'mlflow.note.content'"
    ((before,),) = rows(note)
    assert "| student | 3 | 0.00 M | 0.7000 |" in before
    assert f"Folder: `data/06_models/students/mrpc/{store.student.name}`" in before
    assert "kedro run --pipeline=distill" in before
    store.score(store.student, "student", "8" * 64, of=KEY)
    for _ in range(2):
        assert sync_folder(store.student, settings) == run_id
        assert rows("select value from metrics where key = 'score'") == [(0.75,)]
    ((after,),) = rows(note)
    assert "| student | 3 | 0.00 M | 0.7500 |" in after
    assert read_state(store.student).scored == "8" * 64
    assert rows("select status from runs") == [("FINISHED",)]


@pytest.mark.parametrize(
    "file", ["run.json", "metrics.json", "events.jsonl", "manifest.json", "model.safetensors"]
)
def test_nothing_of_a_damaged_folder_is_pushed(
    store: Store, settings: TrackingSettings, file: str
) -> None:
    path = store.student / file
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DamagedError, match=file):
        sync_folder(store.student, settings)
    assert not (store.student / ".mlflow.json").exists()


def test_nothing_is_pushed_whose_scores_are_damaged(
    store: Store, settings: TrackingSettings
) -> None:
    path = store.score(store.student, "student", "8" * 64, of=KEY) / "scores.json"
    path.write_text(path.read_text().replace("0.75", "0.95"))
    with pytest.raises(DamagedError, match=r"scores\.json is damaged"):
        sync_folder(store.student, settings)
    assert not (store.student / ".mlflow.json").exists()


def test_a_lost_state_and_scores_give_the_same_points(
    store: Store, settings: TrackingSettings, rows: Rows
) -> None:
    store.score(store.student, "student", "8" * 64, of=KEY)
    sync_folder(store.student, settings)
    before = sorted(rows("select * from metrics"), key=repr)
    (store.student / ".mlflow.json").unlink()
    sync_folder(store.student, settings)
    assert sorted(rows("select * from metrics"), key=repr) == before


def test_a_deleted_run_is_left_alone(store: Store, settings: TrackingSettings, rows: Rows) -> None:
    run_id = sync_folder(store.student, settings)
    prepare_store(settings).client.delete_run(run_id or "")
    store.score(store.student, "student", "8" * 64, of=KEY)
    assert sync_folder(store.student, settings) == run_id
    assert rows("select count(*) from metrics where key = 'score'") == [(0,)]


@pytest.mark.parametrize("scored", [False, True])
def test_what_a_person_wrote_into_a_finished_run_stays(
    store: Store, settings: TrackingSettings, rows: Rows, scored: bool
) -> None:
    if scored:
        store.score(store.student, "student", "8" * 64, of=KEY)
    run_id = sync_folder(store.student, settings)
    assert run_id is not None
    prepare_store(settings).set_tags(run_id, {NOTE_TAG: "mine"})
    assert sync_folder(store.student, settings) == run_id
    assert rows("select value from tags where key = ?", NOTE_TAG) == [("mine",)]
