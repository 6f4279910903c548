"""From run.json to a training; test_training.py and test_adopt.py have the trainings themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.training.conftest import Make

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import read_json, seal
from alpkd_pipeline.store.run_folder import verify
from alpkd_pipeline.training.dispatch import run_stage, train_folder


@pytest.mark.parametrize("stage", ["students", "", "evaluate"])
def test_an_unknown_stage_is_named(begin: Make, tmp_path: Path, stage: str) -> None:
    folder = begin("x", stage, {})
    with pytest.raises(UserError) as caught:
        run_stage(folder)
    assert str(caught.value) == f"{folder / 'run.json'}: unknown stage {stage!r}"
    assert {path.name for path in folder.iterdir()} == {"run.json"}


def test_a_folder_made_alone_is_sealed_as_the_pipelines_would(
    begin: Make, teacher: Path, encoded: Path
) -> None:
    folder = begin("record", "signals", {"teacher": teacher, "encoded": encoded})
    train_folder(folder)
    manifest = read_json(folder / "manifest.json")
    assert (manifest["stage"], manifest["key"]) == ("signals", "record")
    assert manifest["made_from"] == {"encoded": "e"}
    assert "train.layers.npy" in manifest["files"]
    verify(folder)


def test_a_finished_folder_is_left_alone(begin: Make, teacher: Path, encoded: Path) -> None:
    folder = begin("record", "signals", {"teacher": teacher, "encoded": encoded})
    seal(folder, {"key": "record"})
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(UserError, match=r"is finished; .*remove its manifest\.json first"):
        train_folder(folder)
    assert {path.name for path in folder.iterdir()} == before


def test_the_event_log_of_an_interrupted_training_is_not_continued(
    begin: Make, teacher: Path, encoded: Path
) -> None:
    folder = begin("again", "teacher", {"encoded": encoded, "model": teacher})
    (folder / "events.jsonl").write_text('{"event": "start", "time": 1, "name": "old"}\n')
    train_folder(folder)
    starts = [event for event in read_event_log(folder)[0] if event["event"] == "start"]
    assert [event["name"] for event in starts] == ["again"]


def test_what_fails_is_not_sealed(begin: Make, tmp_path: Path) -> None:
    folder = begin("x", "teacher", {"encoded": tmp_path, "model": tmp_path})
    with pytest.raises(UserError):
        train_folder(folder)
    assert not (folder / "manifest.json").exists()


@pytest.fixture
def constant(teacher: Path, tmp_path: Path) -> Path:
    """A teacher that answered 1 to every row that chose it."""
    folder = Path(shutil.copytree(teacher, tmp_path / "constant"))
    file = folder / "predictions" / "dev.csv"
    pd.read_csv(file).assign(prediction=1).to_csv(file, index=False)
    return folder


@pytest.mark.parametrize("stage", ["signals", "student"])
def test_a_teacher_that_learned_nothing_teaches_nobody(
    begin: Make, constant: Path, encoded: Path, stage: str
) -> None:
    inputs = {"encoded": encoded, "teacher": constant}
    folder = begin("x", stage, inputs)
    with pytest.raises(UserError, match=r"^the teacher constant learned nothing: its accuracy on"):
        train_folder(folder)
    assert {path.name for path in folder.iterdir()} == {"run.json"}
    # The teacher itself is made and stays.
    assert (constant / "model.safetensors").is_file()


@pytest.mark.parametrize("stage", ["signals", "student"])
def test_unless_that_is_allowed(begin: Make, constant: Path, encoded: Path, stage: str) -> None:
    inputs = {"encoded": encoded, "teacher": constant}
    train_folder(begin("x", stage, inputs, teacher__allow_constant=True))


def test_the_rows_that_chose_a_teacher_judge_it(begin: Make, constant: Path, encoded: Path) -> None:
    (constant / "predictions" / "dev.csv").rename(constant / "predictions" / "holdout.csv")
    with pytest.raises(UserError, match=r"accuracy on demo holdout is"):
        train_folder(begin("x", "signals", {"encoded": encoded, "teacher": constant}))
