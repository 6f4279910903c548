from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.experiments.conftest import finish, finish_training
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.catalog_values import run_facts
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.reproduce.original import Difference, StoredRun, read_run
from alpkd_pipeline.reproduce.plan import conditions
from alpkd_pipeline.store.fingerprint import provenance
from alpkd_pipeline.store.manifest import read_json, seal, write_json
from alpkd_pipeline.store.run_folder import DamagedError

Change = Callable[[dict[str, Any]], None]


def nothing(run: dict[str, Any]) -> None:
    """A run.json as it was written."""


def student(experiment: Experiment, change: Change = nothing) -> StoredRun:
    """The experiment's finished student, with something in its run.json as it was before."""
    finish_training(experiment, "teacher")
    run = {**run_facts(experiment, "student"), "provenance": dict(provenance(PROJECT))}
    change(run)
    files = {"run.json": run, "metrics.json": {}, "tokenizer.json": {}}
    return read_run(finish(experiment, "student", files))


def found(load: Load, tmp_path: Path, change: Change = nothing) -> list[Difference]:
    return conditions(student(load().experiment, change), PROJECT, tmp_path / "store")[0]


def kinds(differences: list[Difference]) -> set[str]:
    return {difference.kind for difference in differences}


def moved(original: StoredRun, tmp_path: Path) -> list[str]:
    """The stages that today's results would not share with a run."""
    today = conditions(original, PROJECT, tmp_path / "store")[1]
    return [stage for stage in today if today[stage] != original.keys.get(stage, today[stage])]


def test_nothing_has_changed(load: Load, tmp_path: Path) -> None:
    original = student(load().experiment)
    assert conditions(original, PROJECT, tmp_path / "store")[0] == []
    assert moved(original, tmp_path) == []


def test_a_library(load: Load, tmp_path: Path) -> None:
    def other(run: dict[str, Any]) -> None:
        run["provenance"]["libraries"] = {**run["provenance"]["libraries"], "torch": "2.12.0"}

    (difference,) = found(load, tmp_path, other)
    assert (difference.kind, difference.what, difference.then) == ("libraries", "torch", "2.12.0")


def test_a_lock_file_a_python_and_a_processor(load: Load, tmp_path: Path) -> None:
    def other(run: dict[str, Any]) -> None:
        run["provenance"] |= {"lock": "0" * 64, "python": "3.10.2", "instructions": "mmx"}

    kinds = {d.what: d.kind for d in found(load, tmp_path, other)}
    assert kinds == {
        "lock file": "libraries",
        "Python": "python",
        "vector instructions": "device",
    }


def test_code_of_the_student(load: Load, tmp_path: Path) -> None:
    def other(run: dict[str, Any]) -> None:
        run["identity"] |= {"code": "0" * 64}
        run["identity"]["keys"] = {**run["identity"]["keys"], "student": "0" * 64}

    original = student(load().experiment, other)
    # The folder's own key is that of its manifest.
    seal(original.path, {**original.manifest, "key": "0" * 64})
    other_key = read_run(original.path)
    seen, _ = conditions(other_key, PROJECT, tmp_path / "store")
    assert moved(other_key, tmp_path) == ["student"]
    assert [d.what for d in seen] == ["code of the student"]
    assert kinds(seen) == {"code"}


def test_raw_data_is_told_from_the_code_that_reads_it(load: Load, tmp_path: Path) -> None:
    def other_data(run: dict[str, Any]) -> None:
        run["identity"]["keys"] = {**run["identity"]["keys"], "splits": "0" * 64}
        run["source"] = {**run["source"], "sha256": "0" * 64}

    # The rest keeps its keys here, so that the one cause is seen alone.
    (difference,) = found(load, tmp_path, other_data)
    assert (difference.kind, difference.what) == ("data", "raw data")


def test_code_that_reads_data(load: Load, tmp_path: Path) -> None:
    def other_code(run: dict[str, Any]) -> None:
        run["identity"]["keys"] = {**run["identity"]["keys"], "splits": "0" * 64}
        run["provenance"] |= {"git_commit": "0" * 40, "git_dirty": False}

    (difference,) = found(load, tmp_path, other_code)
    assert (difference.kind, difference.what) == ("code", "code of the splits")


def test_parameters_that_are_not_those_of_the_key(load: Load, tmp_path: Path) -> None:
    def other(run: dict[str, Any]) -> None:
        run["params"] = {**run["params"], "training": {**run["params"]["training"], "lr": 0.1}}

    original = student(load().experiment, other)
    assert moved(original, tmp_path) == ["student"]
    assert kinds(conditions(original, PROJECT, tmp_path / "store")[0]) == {"parameters"}


def test_a_run_json_that_was_edited(load: Load, tmp_path: Path) -> None:
    original = student(load().experiment)
    path = original.path / "run.json"
    write_json(path, {**read_json(path), "description": "mine"})
    with pytest.raises(DamagedError, match=r"run\.json is damaged: sha256"):
        read_run(original.path)


def test_a_damaged_file(load: Load, tmp_path: Path) -> None:
    original = student(load().experiment)
    (original.path / "tokenizer.json").write_text("[]")
    seen, _ = conditions(read_run(original.path), PROJECT, tmp_path / "store")
    assert [(d.kind, d.what) for d in seen] == [("damage", "tokenizer.json of the student")]


def test_a_damaged_teacher(load: Load, tmp_path: Path) -> None:
    original = student(load().experiment)
    assert original.teacher_folder is not None
    path = original.teacher_folder / "metrics.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DamagedError, match=r"metrics\.json is damaged: sha256"):
        conditions(original, PROJECT, tmp_path / "store")


def test_a_teacher_that_was_brought(load: Load, tmp_path: Path) -> None:
    experiment = load({"teacher.finetuned": True}).experiment
    original = student(experiment)
    assert conditions(original, PROJECT, tmp_path / "store")[0] == []
    assert moved(original, tmp_path) == []


def test_what_todays_results_would_be_known_by(load: Load, tmp_path: Path) -> None:
    experiment = load().experiment
    _, today = conditions(student(experiment), PROJECT, tmp_path / "store")
    assert today["student"] == experiment.student.key
    assert today["source"] == experiment.source_digest


def test_parameters_that_todays_code_does_not_know(load: Load, tmp_path: Path) -> None:
    def other(run: dict[str, Any]) -> None:
        run["params"] = {**run["params"], "gone": 1}

    seen = found(load, tmp_path, other)
    assert kinds(seen) == {"code"}
    assert "gone" in seen[-1].now


def test_data_that_is_not_there_is_a_line(load: Load, tmp_path: Path) -> None:
    def other(run: dict[str, Any]) -> None:
        task = {**run["params"]["task"], "name": "rte", "source": "folder", "path": "/no/folder"}
        run["params"] = {**run["params"], "task": task}

    with pytest.raises(UserError, match="/no/folder"):
        found(load, tmp_path, other)
