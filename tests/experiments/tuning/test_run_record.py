from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.experiments.tuning.conftest import SMALL, Maker

from alpkd_pipeline.experiments.tuning.run import facts, study_record, with_others
from alpkd_pipeline.experiments.tuning.search import Search
from alpkd_pipeline.experiments.tuning.study import Study, open_storage
from alpkd_pipeline.store.manifest import write_json

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


def test_a_record_says_what_was_asked_and_what_was_done(maker: Maker, database: Path) -> None:
    made = maker()
    study = finished_study(database)
    found = facts(made.spec, database.with_name("none.json"), [Search(KD, study, made)])
    assert (found["selection"], found["sampler"], found["seeds"]) == ("holdout", "grid", [0])
    assert found["trials"] == {"asked": 3, "done": 2}
    assert found["space"] == SMALL["space"]
    assert found["studies"] == [study_record(KD, study)]


def test_studies_of_other_calls_stay_and_the_same_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    pkd = {**KD, "method": "pkd", "done": 1}
    write_json(path, {"studies": [{**KD, "done": 1}, pkd]})
    found = with_others(path, [{**KD, "done": 3}])
    assert [(s["method"], s["done"]) for s in found] == [("kd", 3), ("pkd", 1)]


def test_a_damaged_record_has_no_others(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{")
    assert with_others(path, []) == []
