from __future__ import annotations

import json
from pathlib import Path

import pytest
from kedro.io import DatasetError

from alpkd_pipeline.datasets.work import WorkDataset
from alpkd_pipeline.runs.checkpoints import CHECKPOINTS, publish_step
from alpkd_pipeline.runs.manifest import read_json, write_json


def test_it_loads_as_a_folder_to_begin_and_its_facts(tmp_path: Path) -> None:
    run = json.dumps({"stage": "student", "params": {"seed": 1}})
    work = WorkDataset(filepath=str(tmp_path / "a.work"), project=str(tmp_path), run=run).load()
    assert work.folder == tmp_path / "a.work"
    assert not work.folder.exists()
    assert work.facts["params"] == {"seed": 1}
    assert work.trains


def test_the_facts_say_which_code_and_libraries_are_at_work(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("x==1\n")
    work = WorkDataset(filepath=str(tmp_path / "a.work"), project=str(tmp_path), run="{}").load()
    folder = work.begin()
    written = read_json(folder / "run.json")["provenance"]
    said = {"git_commit", "git_dirty", "lock", "python", "libraries", "instructions"}
    assert said == set(written)
    assert len(written["lock"]) == 64


def test_dollars_in_the_facts_are_left_alone(tmp_path: Path) -> None:
    run = json.dumps({"name": "${cell:secret} ${oc.env:HOME}"})
    work = WorkDataset(filepath=str(tmp_path), project=str(tmp_path), run=run).load()
    assert work.facts["name"] == "${cell:secret} ${oc.env:HOME}"


def test_without_facts_only_the_provenance_is_there(tmp_path: Path) -> None:
    work = WorkDataset(filepath=str(tmp_path), project=str(tmp_path)).load()
    assert set(work.facts) == {"provenance"}
    assert not work.trains


def test_it_cannot_be_saved(tmp_path: Path) -> None:
    dataset = WorkDataset(filepath=str(tmp_path), project=str(tmp_path))
    with pytest.raises(DatasetError, match="only an input"):
        dataset.save(tmp_path)  # type: ignore[arg-type]


def training(folder: Path, key: str) -> Path:
    """A training that was interrupted after its first checkpoint."""
    write_json(folder / "run.json", {"stage": "student", "identity": {"key": key}})
    publish_step(folder / CHECKPOINTS, 1, lambda at: (at / "weights").write_text("w"))
    return folder


def test_a_training_goes_on_that_began_under_another_name_of_its_model(tmp_path: Path) -> None:
    key, name = "ab" * 32, "a-abababab.work"
    run = json.dumps({"stage": "student", "identity": {"key": key}})
    dataset = WorkDataset(filepath=str(tmp_path / name), project=str(tmp_path), run=run)
    training(tmp_path / "b-abababab.work", "ac" * 32)
    assert dataset.load().folder == tmp_path / name
    begun = training(tmp_path / "c-abababab.work", key)
    assert dataset.load().folder == begun
    assert dataset.load().begin() == begun
    training(tmp_path / name, key)
    assert dataset.load().folder == tmp_path / name
