from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.store.checkpoints import CHECKPOINTS, Work, publish_step
from alpkd_pipeline.store.manifest import read_json, seal, sha256_file, write_json
from alpkd_pipeline.store.run_folder import input_place


def test_begin_empties_the_folder_and_writes_relative_inputs(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "students" / "a.work"
    folder.mkdir(parents=True)
    (folder / "left.over").touch()
    work = Work(folder, {"name": "a"})
    assert work.begin(encoded=tmp_path / "store" / "encoded", signals=None) == folder
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    assert read_json(folder / "run.json") == {"name": "a", "inputs": {"encoded": "../../encoded"}}


def test_a_training_whose_run_json_was_damaged_begins_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    facts = {"stage": "student", "identity": {"key": "k"}, "params": {"seed": 1}}
    work = Work(tmp_path / "a.work", facts)
    folder = work.begin()
    publish_step(folder / CHECKPOINTS, 4, lambda to: write_json(to / "facts.json", {}))
    assert work.resumes
    damaged = (folder / "run.json").read_text().replace('"seed": 1', '"seed": 3')
    (folder / "run.json").write_text(damaged)
    assert not work.resumes
    assert "run.json was changed after its training began: it begins again" in caplog.text
    work.begin()
    assert read_json(folder / "run.json")["params"] == {"seed": 1}
    assert not (folder / CHECKPOINTS).exists()


def test_a_training_of_another_key_does_not_go_on(tmp_path: Path) -> None:
    facts = {"stage": "student", "identity": {"key": "k"}, "params": {}}
    folder = Work(tmp_path / "a.work", facts).begin()
    publish_step(folder / CHECKPOINTS, 4, lambda to: write_json(to / "facts.json", {}))
    assert Work(folder, facts).resumes
    assert not Work(folder, {**facts, "identity": {"key": "other"}}).resumes
    assert not Work(folder, {**facts, "stage": "splits"}).resumes


def test_a_training_says_by_hash_which_rows_it_reads(tmp_path: Path) -> None:
    encoded = tmp_path / "encoded"
    encoded.mkdir()
    (encoded / "train.arrow").write_bytes(b"rows")
    (encoded / "report.json").write_text("{}")
    seal(encoded, {})
    facts = {"stage": "student", "identity": {"key": "k"}, "params": {}}
    run = read_json(Work(tmp_path / "a.work", facts).begin(encoded=encoded) / "run.json")
    assert run["data"] == {"train": sha256_file(encoded / "train.arrow")}


@pytest.mark.parametrize("params", [None, [], "x", {"teacher": None}, {"teacher": "big"}])
def test_parameters_that_are_none_do_not_hide_what_trains(tmp_path: Path, params: object) -> None:
    for stage, trains in (("student", True), ("teacher", True), ("splits", False)):
        facts = {"stage": stage, "params": params, "identity": None}
        work = Work(tmp_path, facts)
        assert (work.trains, work.resumes) == (trains, False)


def test_inputs_are_found_where_a_folder_of_the_store_is_a_link(tmp_path: Path) -> None:
    encoded, disk = tmp_path / "store" / "encoded", tmp_path / "deep" / "down" / "disk"
    encoded.mkdir(parents=True)
    disk.mkdir(parents=True)
    (tmp_path / "store" / "students").symlink_to(disk)
    folder = Work(tmp_path / "store" / "students" / "a.work", {}).begin(encoded=encoded)
    place = read_json(folder / "run.json")["inputs"]["encoded"]
    assert input_place(folder, place) == encoded
    assert not (folder / place).exists()  # the system goes up on the other disk


def test_inputs_are_found_where_the_run_folder_itself_is_a_link(tmp_path: Path) -> None:
    encoded, run = tmp_path / "store" / "encoded", tmp_path / "store" / "students" / "a"
    encoded.mkdir(parents=True)
    run.mkdir(parents=True)
    (tmp_path / "b").symlink_to(run)
    assert input_place(tmp_path / "b", "../../encoded") == encoded
