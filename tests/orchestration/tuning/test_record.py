from __future__ import annotations

from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.tuning.record import study_record, write_record
from alpkd_pipeline.orchestration.tuning.study import Study, open_storage
from alpkd_pipeline.store.layout import SEARCHES
from alpkd_pipeline.store.manifest import read_json

FACTS = {"id": "tune-base-1", "trials": 3, "selection": "holdout", "sampler": "grid"}
KD: dict[str, Any] = {"task": "demo", "method": "kd", "layers": 2}


def finished_study(database: Path) -> Study:
    study = Study(open_storage(database), "s", {"training.lr": (1e-4, 2e-4, 4e-4)}, "grid", 3)
    one, two, three = study.ask()
    study.tell(one.number, 0.5, {"keys": ["aa"], "scores": [0.5], "seconds": 1.5})
    study.tell_failed(two.number, {"keys": ["bb"], "error": "loss became nan"})
    study.tell(three.number, 0.7, {"keys": ["cc"], "scores": [0.7], "seconds": 2.5})
    return study


def test_a_study_s_record_has_every_trial_and_the_best(database: Path) -> None:
    found = study_record(KD, finished_study(database))
    assert {name: found[name] for name in KD} == KD
    assert (found["possible"], found["budget"], found["done"]) == (3, 3, 2)
    states = [(trial["number"], trial["state"], trial["score"]) for trial in found["trials"]]
    assert states == [(0, "done", 0.5), (1, "failed", None), (2, "done", 0.7)]
    assert found["trials"][1]["error"] == "loss became nan"
    assert found["trials"][2]["keys"] == ["cc"]
    assert found["best"] == {"values": found["trials"][2]["values"], "score": 0.7}


def test_a_record_says_what_was_asked_and_what_was_done(database: Path, tmp_path: Path) -> None:
    path = tmp_path / SEARCHES / "tune-base-1.json"
    assert path == tmp_path / "08_reporting" / "searches" / "tune-base-1.json"
    study = study_record(KD, finished_study(database))
    write_record(path, FACTS, [study], ended=False)
    assert read_json(path)["ended"] is None
    write_record(path, FACTS, [study], ended=True)
    found = read_json(path)
    assert (found["id"], found["selection"], found["sampler"]) == ("tune-base-1", "holdout", "grid")
    assert found["trials"] == {"asked": 3, "done": 2}
    assert found["started"] <= found["ended"]


def test_studies_of_other_calls_stay_and_the_same_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / SEARCHES / "x.json"
    pkd = {**KD, "method": "pkd", "done": 1}
    write_record(path, FACTS, [{**KD, "done": 1}, pkd], ended=True)
    began = read_json(path)["started"]
    write_record(path, FACTS, [{**KD, "done": 3}], ended=True)
    found = read_json(path)
    assert [(s["method"], s["done"]) for s in found["studies"]] == [("kd", 3), ("pkd", 1)]
    assert found["trials"]["done"] == 4
    assert found["started"] == began


def test_a_damaged_record_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / SEARCHES / "x.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    write_record(path, FACTS, [], ended=True)
    assert read_json(path)["studies"] == []
