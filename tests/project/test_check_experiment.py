"""Contradictions between parameters; test_config_loader.py has those of a demo run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.models.folders import bert_weights
from tests.project.conftest import Load

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.project.check import check_experiment
from alpkd_pipeline.project.experiment import Experiment

COMMIT = "a" * 40


def checked(load: Load, flat: dict, tmp_path: Path) -> None:
    check_experiment(Experiment(load(flat).params, tmp_path))


def refused(load: Load, flat: dict, tmp_path: Path) -> str:
    with pytest.raises(UserError) as caught:
        checked(load, flat, tmp_path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def encoder(folder: Path, **changes: object) -> str:
    """A copy of the demo's encoder with another config.json, and weights that go with it."""
    shutil.copytree(DEMO_FOLDER, folder)
    config = json.loads((DEMO_FOLDER / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    if changes and config["model_type"] == "bert":
        (folder / "model.safetensors").write_bytes(bert_weights(config))
    return str(folder)


@pytest.mark.parametrize(
    "flat",
    [
        {},
        {"student.layers": 12},
        {"student.layers": 1, "method.name": "no_kd"},
        {"task.name": "rte", "task.source": "hub", "teacher.model": "x/y", "teacher.revision": "C"},
        {"task.name": "rte", "task.source": "folder", "teacher.model": "HERE"},
    ],
)
def test_experiments_that_can_work(load: Load, flat: dict, tmp_path: Path) -> None:
    here = encoder(tmp_path / "here")
    flat = {k: {"C": COMMIT, "HERE": here}.get(v, v) for k, v in flat.items()}
    checked(load, flat, tmp_path)


def test_a_hub_model_that_is_not_here_yet_is_not_judged(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    task = {"task.name": "rte", "task.source": "hub", "student.layers": 99}
    model = {"teacher.model": "some/encoder", "teacher.revision": COMMIT}
    checked(load, {**task, **model}, tmp_path)


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({"task.source": "folder"}, "the source demo has the task demo and nothing else"),
        ({"task.name": "rte"}, "'rte' does not come from task.source='demo'"),
        ({"task.name": "rte", "task.source": "hub"}, "'demo' knows only the demo's made-up words"),
        ({"student.layers": 13}, "'student.layers' = 13: teacher.model = 'demo' has 12 layers"),
        ({"teacher.model": "some/encoder"}, "is a hub id and needs 'teacher.revision'"),
    ],
)
def test_a_contradiction_is_named(load: Load, flat: dict, words: str, tmp_path: Path) -> None:
    assert words in refused(load, flat, tmp_path)


def own_task(**more: object) -> dict:
    return {
        "task.name": "mine",
        "task.source": "hub",
        "task.text_columns": "a",
        "task.labels": "no|yes",
        **more,
    }


@pytest.mark.parametrize("given", [{}, {"task.dataset": "x/y"}, {"task.revision": COMMIT}])
def test_a_hub_data_set_needs_name_and_commit(load: Load, given: dict, tmp_path: Path) -> None:
    model = encoder(tmp_path / "encoder")
    line = refused(load, own_task(**given, **{"teacher.model": model}), tmp_path)
    assert "task.dataset and task.revision, a 40-digit commit" in line


def test_the_depth_is_that_of_the_user_s_own_encoder(load: Load, tmp_path: Path) -> None:
    given = {"teacher.model": encoder(tmp_path / "encoder", num_hidden_layers=3)}
    checked(load, {**given, "student.layers": 3}, tmp_path)
    assert "has 3 layers; a student has 1 to 3" in refused(
        load, {**given, "student.layers": 4}, tmp_path
    )


def test_a_teacher_that_was_brought_has_no_start_before_fine_tuning(
    load: Load, tmp_path: Path
) -> None:
    given = {"teacher.finetuned": True, "teacher.model": encoder(tmp_path / "t")}
    checked(load, given, tmp_path)
    line = refused(load, {**given, "student.init_from": "pretrained"}, tmp_path)
    assert "parameter 'student.init_from' = 'pretrained'" in line
    assert "use student.init_from=teacher" in line


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"student.hidden_size": 30, "student.heads": 4}, "a width of 30 cannot be shared by 4"),
        ({"student.heads": 3}, "a width of 64 cannot be shared by 3"),
        ({"student.hidden_size": 33}, "a width of 33 cannot be shared by"),
    ],
)
def test_heads_share_the_width(load: Load, sizes: dict, words: str, tmp_path: Path) -> None:
    given = {"student.init": "random", "method.projection": "linear", **sizes}
    assert words in refused(load, given, tmp_path)


def own_start(model: str, **more: object) -> dict:
    return {"student.init": "checkpoint", "student.checkpoint": model, **more}


def test_a_checkpoint_on_the_hub_needs_its_commit(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    assert "needs 'student.checkpoint_revision'" in refused(load, own_start("a/b"), tmp_path)
    checked(load, own_start("a/b", **{"student.checkpoint_revision": COMMIT}), tmp_path)


def test_a_checkpoint_is_as_deep_as_the_student(load: Load, tmp_path: Path) -> None:
    shallow = encoder(tmp_path / "shallow", num_hidden_layers=3)
    checked(load, own_start(shallow, **{"student.layers": 3}), tmp_path)
    line = refused(load, own_start(shallow, **{"student.layers": 4}), tmp_path)
    assert "parameter 'student.layers' = 4: student.checkpoint = " in line
    assert "has 3 layers" in line


def test_a_checkpoint_reads_the_teacher_s_tokens(load: Load, tmp_path: Path) -> None:
    other = Path(encoder(tmp_path / "other"))
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    one, two = list(vocabulary)[-2:]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert str(other) in refused(load, own_start(str(other)), tmp_path)


def test_a_teacher_s_blocks_run_in_a_student_of_its_own_encoder(load: Load, tmp_path: Path) -> None:
    given = {"method.name": "theseus", "student.layers": 4}
    checked(load, given, tmp_path)
    line = refused(load, {**own_start(encoder(tmp_path / "other")), **given}, tmp_path)
    assert "method 'theseus' lets the teacher's layers read" in line
    assert "12 layers are no 5 equal groups" in refused(
        load, {**given, "student.layers": 5}, tmp_path
    )


def test_a_checkpoint_that_is_not_there(load: Load, tmp_path: Path) -> None:
    assert "nowhere" in refused(load, own_start("./nowhere"), tmp_path)


NARROW = {"student.init": "random", "student.hidden_size": 32, "student.heads": 2}


@pytest.mark.parametrize("method", ["pkd", "alp_kd", "uniform", "last_layer"])
def test_layers_of_other_widths_are_not_compared(load: Load, method: str, tmp_path: Path) -> None:
    line = refused(load, {**NARROW, "method.name": method}, tmp_path)
    assert f"method '{method}'" in line
    assert "width 32" in line
    assert "width 64" in line


@pytest.mark.parametrize(
    "method",
    [
        {"method.name": "kd"},
        {"method.name": "no_kd"},
        {"method.name": "ckd"},
        {"method.projection": "linear"},
    ],
)
def test_other_widths_are_fine_where_no_layers_are_compared_or_a_map_is_learned(
    load: Load, method: dict, tmp_path: Path
) -> None:
    checked(load, {**NARROW, **method}, tmp_path)


def test_the_width_is_that_of_the_student_s_own_checkpoint(load: Load, tmp_path: Path) -> None:
    small = encoder(tmp_path / "small", hidden_size=48)
    given = {"student.init": "checkpoint", "student.checkpoint": small}
    assert "student (width 48)" in refused(load, given, tmp_path)
    same = encoder(tmp_path / "same", num_hidden_layers=4)
    checked(load, {**given, "student.checkpoint": same}, tmp_path)


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        (
            {"method.name": "rail_kd", "student.layers": 12},
            "at least 1 layer less than its teacher's 12, not 12: set student.layers to at most 11",
        ),
        (
            {"method.name": "minilmv2", "method.teacher_layer": 13},
            "teacher_layer=13 of method 'minilmv2' is refused: the teacher has 12 layers",
        ),
        (
            {"method.name": "minilmv2", "method.relation_heads": 5},
            "5 relation heads, and the teacher's width 64",
        ),
        (
            {**NARROW, "student.hidden_size": 30, "method.name": "minilmv2"},
            "relation heads, and the student's width 30",
        ),
        ({**NARROW, "student.heads": 1, "method.name": "tinybert"}, "the student has 1 heads"),
        (
            {"method.name": "all_to_one", "method.teacher_layer": 13},
            "teacher_layer=13 of method 'all_to_one' is refused: the teacher has 12 layers",
        ),
        (
            {"method.name": "cka", "training.batch_size": 7},
            "set training.batch_size to at least 8, not 7",
        ),
        (
            {"method.name": "cka", "training.accumulation": 2},
            "the sum over 2 batches is not the same: set training.accumulation to 1",
        ),
    ],
)
def test_models_that_a_method_cannot_compare(
    load: Load, flat: dict, words: str, tmp_path: Path
) -> None:
    assert words in refused(load, flat, tmp_path)


@pytest.mark.parametrize(
    "flat",
    [
        {"method.name": "rail_kd", "student.layers": 11},
        {**NARROW, "method.name": "rail_kd"},
        {"method.name": "rail_kd", "method.with_last": False, "student.layers": 12},
        {**NARROW, "method.name": "cka", "training.batch_size": 8},
        {**NARROW, "method.name": "minilmv2", "method.teacher_layer": 9},
        {**NARROW, "student.heads": 4, "method.name": "tinybert"},
    ],
)
def test_other_models_that_they_can(load: Load, flat: dict, tmp_path: Path) -> None:
    checked(load, flat, tmp_path)


def test_attention_scores_are_not_compared_where_they_hold_positions(
    load: Load, tmp_path: Path
) -> None:
    other = encoder(tmp_path / "other", model_type="modernbert")
    line = refused(load, {"teacher.model": other, "method.name": "tinybert"}, tmp_path)
    assert "attention scores of model_type 'modernbert' depend on positions" in line
    checked(load, {"teacher.model": other, "method.name": "minilmv2"}, tmp_path)


OWN = {
    "task.name": "mood",
    "task.source": "table",
    "task.text_columns": ["sentence"],
    "task.files": {"train": "train.csv"},
}
CLASSES = OWN | {"task.labels": ["negative", "positive"]}


@pytest.mark.parametrize(
    ("flat", "message"),
    [
        (
            {"task.files": {"unlabelled": "x.csv"}},
            "parameter 'task.files.unlabelled' is only read with files of your own and hub data"
            " sets: leave labels of train empty and set task.unlabelled=allow",
        ),
        (
            {"task.group_column": "who"},
            "parameter 'task.group_column' is only read with task.source=table",
        ),
        (
            {"task.unlabelled_rows": 9},
            "parameter 'task.unlabelled_rows': no row may lack a label; set task.unlabelled=allow"
            " (labels of train), or task.files.unlabelled",
        ),
        (
            OWN | {"task.kind": "regression", "training.class_weights": "balanced"},
            "parameter 'training.class_weights' = 'balanced': task 'mood' is a regression and has"
            " no classes; leave it out",
        ),
        (
            OWN | {"task.kind": "regression", "teacher.training.class_weights": "balanced"},
            "parameter 'teacher.training.class_weights' = 'balanced': task 'mood' is a regression"
            " and has no classes; leave it out",
        ),
    ],
)
def test_rows_that_a_source_or_task_cannot_have(
    load: Load, flat: dict, message: str, tmp_path: Path
) -> None:
    model = {"teacher.model": encoder(tmp_path / "here")} if "task.name" in flat else {}
    assert refused(load, flat | model, tmp_path) == message


@pytest.mark.parametrize(
    "flat",
    [
        {"task.unlabelled": "allow", "task.unlabelled_rows": 9},
        CLASSES
        | {"task.files": {"train": "t.csv", "unlabelled": "u.csv"}, "task.unlabelled_rows": 9},
        CLASSES | {"task.group_column": "who", "training.class_weights": "balanced"},
    ],
)
def test_rows_that_they_can_have(load: Load, flat: dict, tmp_path: Path) -> None:
    model = {"teacher.model": encoder(tmp_path / "here")} if "task.name" in flat else {}
    checked(load, flat | model, tmp_path)


TABLE = {
    "task.name": "mine",
    "task.source": "table",
    "task.text_columns": "a",
    "task.labels": "no|yes",
    "task.teacher_columns.no": "p0",
    "task.teacher_columns.yes": "p1",
    "teacher.source": "table",
    "method.name": "kd",
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method.name": "alp_kd"}, "method 'alp_kd' looks into the teacher's layers"),
        ({"method.name": "theseus"}, "a table has answers alone; use kd or no_kd"),
        ({"signals.source": "live"}, "set signals.source=cache"),
        ({"student.head": "teacher"}, "set student.head=fresh"),
        ({"teacher.finetuned": True}, "set teacher.finetuned=false"),
        ({"task.labels": "no|yes|maybe"}, "columns for no, yes; task 'mine' needs one for each of"),
        (
            {"task.source": "hub", "task.dataset": "x/y", "task.revision": COMMIT},
            "'task.teacher_columns' is only read with task.source=table",
        ),
    ],
)
def test_what_a_table_as_teacher_cannot_do(
    load: Load, changes: dict, words: str, tmp_path: Path
) -> None:
    given = {**TABLE, "teacher.model": encoder(tmp_path / "encoder")}
    checked(load, given, tmp_path)
    checked(load, {**given, "method.name": "no_kd"}, tmp_path)
    assert words in refused(load, {**given, **changes}, tmp_path)


def test_a_table_as_teacher_needs_its_columns(load: Load, tmp_path: Path) -> None:
    given = {**TABLE, "teacher.model": encoder(tmp_path / "encoder")}
    columns = {name: given.pop(name) for name in (*given,) if "teacher_columns" in name}
    assert "name the column of each class" in refused(load, given, tmp_path)
    # The columns may be there for another student, and a model teaches.
    checked(load, {**given, **columns, "teacher.source": "model"}, tmp_path)
