"""What a change makes again: keys move exactly where they should."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import click
import pandas as pd
import pytest
from tests.own_metrics import write_metric
from tests.project.conftest import Load

from alpkd_pipeline.distillation import method_table
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.project import experiment as experiment_module
from alpkd_pipeline.project import experiment_inputs
from alpkd_pipeline.project.catalog_values import run_facts
from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.store.code_graph import CodeFacts, CodeGraph
from alpkd_pipeline.store.fingerprint import PACKAGE_ROOT
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import METRICS

STAGES = (
    "splits",
    "encoded",
    "teacher",
    "teacher_scores",
    "signals",
    "student",
    "student_scores",
)


def moved(load: Load, change: dict, base: dict | None = None) -> set[str]:
    """The stages whose keys differ after a change of parameters."""
    before, after = load(base).experiment, load({**(base or {}), **change}).experiment
    return {name for name in STAGES if before.stage(name).key != after.stage(name).key}


STUDENT = {"student", "student_scores"}
TEACHER = {"teacher", "teacher_scores", "signals", *STUDENT}


MOVES: list[tuple[dict, set[str]]] = [
    ({"seed": 1}, STUDENT),
    ({"student.layers": 2}, STUDENT),
    ({"method.name": "kd"}, STUDENT),
    ({"method.lambda": 0.25}, STUDENT),
    ({"training.lr": 1e-4}, STUDENT),
    ({"signals.dtype": "fp16"}, {"signals", *STUDENT}),
    ({"method.pooling": "mean"}, {"signals", *STUDENT}),
    ({"teacher.seed": 1}, TEACHER),
    ({"teacher.finetuned": True}, TEACHER),
    ({"teacher.training.epochs": 2}, TEACHER),
    ({"teacher.allow_constant": True}, set()),
    ({"task.max_length": 32}, {"encoded", *TEACHER}),
    ({"task.train_rows": 100}, set(STAGES)),
    ({"task.train_rows": 100, "task.train_rows_by": "stratified"}, set(STAGES)),
    ({"task.train_rows_by": "stratified"}, set()),
    ({"task.max_overlap": 0.5}, set(STAGES)),
    ({"task.unlabelled": "allow"}, set(STAGES)),
    ({"task.unlabelled": "refuse"}, set()),
    ({"task.unlabelled_rows": 0}, set(STAGES)),
    ({"training.class_weights": "balanced"}, STUDENT),
    ({"teacher.training.class_weights": "balanced"}, TEACHER),
    ({"training.class_weights": "none"}, set()),
    ({"task.dev_fraction": 0.2}, set(STAGES)),
    ({"student.init_from": "pretrained"}, STUDENT),
    ({"task.metrics": ["f1"]}, {"teacher", "teacher_scores", "signals", *STUDENT}),
    ({"training.threads": 2}, set()),
    ({"training.device": "cpu", "training.log_every": 1}, set()),
    ({"run.experiment": "other", "run.tracking": "off"}, set()),
    ({"training.accumulation": 1}, set()),
    ({"method.soft_scale": "t2"}, set()),
    ({"method.soft_scale": "none"}, STUDENT),
]


@pytest.mark.parametrize(("change", "again"), MOVES, ids=["-".join(change) for change, _ in MOVES])
def test_a_parameter_moves_its_stage_and_what_follows(
    load: Load, change: dict, again: set[str]
) -> None:
    assert moved(load, change) == again


def test_how_train_rows_are_chosen_is_in_the_key(load: Load) -> None:
    base = {"task.train_rows": 100}
    assert moved(load, {"task.train_rows_by": "stratified"}, base) == set(STAGES)
    assert moved(load, {"task.train_rows_by": "first"}, base) == set()


def test_the_baseline_does_not_depend_on_the_signals(load: Load) -> None:
    base = {"method.name": "no_kd"}
    assert moved(load, {"signals.dtype": "fp16", "method.pooling": "mean"}, base) == {"signals"}
    assert not load(base).experiment.needs_signals


@pytest.mark.parametrize("name", ["minilmv2", "tinybert"])
def test_methods_on_tokens_depend_on_no_signals_and_no_pooling(load: Load, name: str) -> None:
    base = {"method.name": name}
    change = {"signals.dtype": "fp16", "method.pooling": "mean"}
    assert moved(load, change, base) == {"signals"}
    assert moved(load, {"signals.source": "live"}, base) == set()
    assert moved(load, {"method.reduction": "mean"}, {"method.name": "tinybert"}) == STUDENT
    assert load(base).experiment.student.made_from.keys() == {"encoded", "teacher"}


def test_rail_kd_is_pooled_by_the_mean_unless_asked_otherwise(load: Load) -> None:
    base = {"method.name": "rail_kd"}
    assert load(base).params.method.pooling == "mean"
    assert moved(load, {"method.pooling": "mean"}, base) == set()
    assert moved(load, {"method.pooling": "cls"}, base) == {"signals", *STUDENT}
    shared = load({"method.pooling": "mean"}).experiment.signals.key
    assert load(base).experiment.signals.key == shared


def test_an_added_row_of_a_table_moves_nothing(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: load().experiment.stage(name).key for name in STAGES}
    row = replace(method_table.METHODS["kd"], name="new")
    monkeypatch.setattr(method_table, "METHODS", {**method_table.METHODS, "new": row})
    task = replace(experiment_inputs.KNOWN["demo"], name="new")
    monkeypatch.setattr(experiment_inputs, "KNOWN", {**experiment_inputs.KNOWN, "new": task})
    monkeypatch.setitem(METRICS, "new", METRICS["f1"])
    monkeypatch.setitem(FAMILIES, "new", FAMILIES["bert"])
    assert {name: load().experiment.stage(name).key for name in STAGES} == before


def test_tables_are_not_part_of_the_code() -> None:
    graph = CodeGraph(PACKAGE_ROOT, CodeFacts(None), experiment_module.NO_RESULT)
    reached = graph.reached(
        [
            "alpkd_pipeline.training.student.train_student",
            "alpkd_pipeline.distillation.methods.alp.Alp",
        ]
    )
    names = {place.module for place in reached}
    assert "alpkd_pipeline.distillation.losses.layer_attention" in names
    assert "alpkd_pipeline.training.loop" in names
    assert "alpkd_pipeline.models.student" in names
    assert not {str(place) for place in reached} & set(experiment_module.NO_RESULT)
    assert "alpkd_pipeline.distillation.methods.ckd" not in names
    assert not {name for name in names if name.startswith("alpkd_pipeline.store")}


def test_the_rows_of_metrics_are_part_of_what_they_score(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: load().experiment.stage(name).key for name in STAGES}
    monkeypatch.setitem(METRICS, "accuracy", METRICS["f1_macro"])
    other = {name for name in STAGES if load().experiment.stage(name).key != before[name]}
    assert other == set(STAGES) - {"splits", "encoded"}


def test_the_row_of_a_family_is_part_of_all_that_reads_its_models(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"student.init": "checkpoint", "student.checkpoint": "demo"}
    before = {name: load(own).experiment.stage(name).key for name in STAGES}
    monkeypatch.setitem(FAMILIES, "bert", replace(FAMILIES["bert"], plain_scores=False))
    other = {name for name in STAGES if load(own).experiment.stage(name).key != before[name]}
    assert other == set(STAGES) - {"splits"}


def test_a_hub_model_has_the_rows_of_all_families(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = {"teacher.model": "a/b", "teacher.revision": "a" * 40}
    before = load(hub).experiment.encoded.key
    monkeypatch.setitem(FAMILIES, "new", FAMILIES["bert"])
    assert load(hub).experiment.encoded.key != before


def test_the_code_of_a_method_is_part_of_its_students(load: Load) -> None:
    codes = {load({"method.name": name}).experiment.student_code for name in ("kd", "pkd", "ckd")}
    assert len(codes) == 3


def test_the_row_of_a_method_is_part_of_its_students(load: Load, monkeypatch) -> None:
    base = {"method.name": "alp_no"}
    before = load(base).experiment.student.key
    row = replace(method_table.METHODS["alp_no"], bucket="po")
    monkeypatch.setattr(method_table, "METHODS", {**method_table.METHODS, "alp_no": row})
    assert load(base).experiment.student.key != before


def test_precision_of_the_student_leaves_the_teachers_scores_alone(load: Load) -> None:
    assert moved(load, {"training.precision": "bf16"}) == STUDENT


def table(path: Path, rows: int) -> str:
    frame = pd.DataFrame({"text": [f"row {i}" for i in range(rows)], "label": [0, 1] * (rows // 2)})
    frame.to_csv(path, index=False)
    return str(path)


def own_task(tmp_path: Path) -> dict:
    return {
        "task.name": "mine",
        "task.source": "table",
        "task.text_columns": ["text"],
        "task.labels": ["no", "yes"],
        "task.files": {"train": table(tmp_path / "train.csv", 40)},
        "teacher.model": str(experiment_module.__file__).replace(
            "project/experiment.py", "models/demo_checkpoint"
        ),
    }


def test_a_changed_row_moves_everything_and_a_touched_file_nothing(
    load: Load, tmp_path: Path
) -> None:
    given = own_task(tmp_path)
    before = {name: load(given).experiment.stage(name).key for name in STAGES}
    (tmp_path / "train.csv").touch()
    assert {name: load(given).experiment.stage(name).key for name in STAGES} == before
    text = (tmp_path / "train.csv").read_text()
    (tmp_path / "train.csv").write_text(text.replace("row 7", "row seven"))
    after = {name: load(given).experiment.stage(name).key for name in STAGES}
    assert all(before[name] != after[name] for name in STAGES)


def test_keys_do_not_depend_on_where_the_project_lies(load: Load, tmp_path: Path) -> None:
    one = load().experiment
    other = experiment_module.Experiment(one.params, tmp_path)
    assert [other.stage(n).key for n in STAGES] == [one.stage(n).key for n in STAGES]


def test_folders_say_what_they_hold(load: Load) -> None:
    experiment = load({"seed": 3, "student.layers": 2}).experiment
    assert experiment.student.path.parent.parts[-3:] == ("06_models", "students", "demo")
    assert experiment.student.path.name == f"alp_kd-2L-s3-{experiment.student.key[:8]}"
    assert experiment.teacher.path.name == f"demo-s0-{experiment.teacher.key[:8]}"
    assert experiment.student_name == "demo-12to2-alp_kd-s3"


def test_run_facts_are_complete_json(load: Load) -> None:
    import json

    facts = run_facts(load().experiment, "student")
    assert json.loads(json.dumps(facts)) == json.loads(json.dumps(facts))
    assert set(facts["identity"]["keys"]) == {"splits", "encoded", "teacher", "signals", "student"}
    assert facts["identity"]["keys"]["student"] == facts["identity"]["key"]


def test_the_geometry_is_of_this_student_and_this_teacher(load: Load) -> None:
    experiment = load().experiment
    found = experiment.student_geometry
    assert found.made_from == {
        "student": experiment.student.key,
        "teacher": experiment.teacher.key,
        "encoded": experiment.encoded.key,
    }
    assert found.path.parent.parts[-3:] == ("07_model_output", "geometry", "demo")
    assert found.path.name == f"{experiment.student.path.name}-{found.key[:8]}"
    # The baseline looks at no layer, and still has layers to look at, pooled one way or the other.
    keys = {
        load({"method.name": "no_kd", "method.pooling": pooling}).experiment.student_geometry.key
        for pooling in ("cls", "mean")
    }
    assert len(keys) == 2


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_the_bytes_of_the_student_s_own_checkpoint_are_part_of_it(
    load: Load, tmp_path: Path, file: str
) -> None:
    shutil.copytree(DEMO_FOLDER, folder := tmp_path / "own")
    given = {"student.init": "checkpoint", "student.checkpoint": str(folder)}
    before = {name: load(given).experiment.stage(name).key for name in STAGES}
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data + b" " if file.endswith("json") else data[:-1] + b"?")
    after = {name: load(given).experiment.stage(name).key for name in STAGES}
    assert {name for name in STAGES if before[name] != after[name]} == STUDENT


@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("tokenizer.json", {"encoded", *TEACHER}),
        ("config.json", TEACHER),
        ("model.safetensors", TEACHER),
    ],
)
def test_the_bytes_of_the_teacher_s_encoder_are_part_of_what_reads_them(
    load: Load, tmp_path: Path, file: str, again: set[str]
) -> None:
    shutil.copytree(DEMO_FOLDER, folder := tmp_path / "own")
    given = {"teacher.model": str(folder)}
    before = {name: load(given).experiment.stage(name).key for name in STAGES}
    data = (folder / file).read_bytes()
    edit = {"tokenizer.json": data.replace(b"[UNK]", b"[NEW]"), "config.json": data + b" "}
    (folder / file).write_bytes(edit.get(file, data[:-1] + b"?"))
    after = load(given).experiment
    assert {name for name in STAGES if before[name] != after.stage(name).key} == again


def test_the_names_of_the_classes_and_their_order_are_part_of_all(
    load: Load, tmp_path: Path
) -> None:
    change = {"task.labels": ["yes", "no"]}
    assert moved(load, change, own_task(tmp_path)) == set(STAGES)


def test_another_release_of_a_library_makes_again_what_it_computes(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = {name: load().experiment.stage(name).key for name in STAGES}, load().experiment
    versions = experiment_module.library_versions

    def newer(names: tuple[str, ...]) -> dict[str, str]:
        return {**versions(names), **({"torch": "99"} if "torch" in names else {})}

    monkeypatch.setattr(experiment_module, "library_versions", newer)
    assert {n for n in STAGES if before[n] != after.stage(n).key} == TEACHER


def test_a_latency_is_that_of_one_machine(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = load().experiment, load().experiment
    other = SimpleNamespace(nodename="another-machine")
    keys = [here.student_latency.key, here.student_evaluation.key]
    monkeypatch.setattr(os, "uname", lambda: other)
    assert there.student_latency.key != keys[0]
    assert there.student_evaluation.key == keys[1]


def test_the_words_of_a_submission_are_part_of_the_evaluation(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rte").mkdir()
    rows = pd.DataFrame(
        {"idx": [0, 1], "sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [0, 1]}
    )
    for name in ("train", "validation"):
        rows.to_parquet(tmp_path / "rte" / f"{name}.parquet")
    given = {"task.name": "rte", "task.source": "folder", "task.path": str(tmp_path)}
    given["teacher.model"] = str(DEMO_FOLDER)
    before = load(given).experiment.student_evaluation.key
    row = replace(GLUE["rte"], submission_words=("yes", "no"))
    monkeypatch.setitem(GLUE, "rte", row)
    assert load(given).experiment.student_evaluation.key != before


def test_defaults_are_no_part_of_a_key(load: Load) -> None:
    """So a new parameter, whose default means what was done before, moves none."""
    given = load({"training.accumulation": 1, "training.lr": 1e-3}).params.training
    defaults = {field.name for field in fields(TrainingSettings) if field.default == 1}
    assert "accumulation" in defaults
    numbers = experiment_module._numbers(given)
    assert not defaults & set(numbers)
    assert numbers["lr"] == 1e-3


EVALUATIONS = {"teacher_evaluation", "student_evaluation"}
ALL = (*STAGES, *EVALUATIONS, "teacher_latency", "student_latency", "student_geometry")


def keys_with(load: Load, *metrics: str) -> dict[str, str]:
    given = {"task.metrics": list(metrics)} if metrics else {}
    experiment = load(given).experiment
    return {name: experiment.stage(name).key for name in ALL}


def others(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in ALL if before[name] != after[name]}


def test_a_metric_of_a_user_s_own_is_part_of_evaluations_alone(load: Load, tmp_path: Path) -> None:
    folder = write_metric(tmp_path / "mine")
    none = keys_with(load, "accuracy", "f1")
    assert keys_with(load) == none
    one = keys_with(load, "accuracy", str(folder), "f1")
    assert others(none, one) == EVALUATIONS
    write_metric(folder, "return 1.0")
    edited = keys_with(load, "accuracy", str(folder), "f1")
    assert others(one, edited) == EVALUATIONS
    (folder / "words.txt").write_text("a file that it reads")
    more = keys_with(load, "accuracy", str(folder), "f1")
    assert others(edited, more) == EVALUATIONS
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "mine.cpython.pyc").write_bytes(b"x")
    moved_there = shutil.copytree(folder, tmp_path / "elsewhere" / "mine")
    assert keys_with(load, "accuracy", "f1", str(moved_there)) == more


def test_a_metric_of_a_user_s_own_that_is_not_there_is_one_line(load: Load, tmp_path: Path) -> None:
    experiment = load({"task.metrics": ["accuracy", "user/metric"]}).experiment
    assert experiment.teacher.key  # no training asks for it
    with pytest.raises(UserError, match="'user/metric' is no folder"):
        experiment.student_evaluation.key  # noqa: B018
    with pytest.raises(click.ClickException, match="'user/metric' is no folder"):
        load({"task.metrics": ["accuracy", "user/metric"]})["catalog"]
    with pytest.raises(UserError, match="the first metric chooses the best epoch"):
        load({"task.metrics": [str(write_metric(tmp_path / "mine")), "accuracy"]}).experiment  # noqa: B018


def test_how_scores_go_through_the_library_is_part_of_evaluations_alone(load: Load) -> None:
    graph = CodeGraph(PACKAGE_ROOT, CodeFacts(None), experiment_module.NO_RESULT)
    there = {
        name: any(place.module == "alpkd_pipeline.evaluation.metrics" for place in places)
        for name in ("score_run", "evaluate_run")
        for places in [graph.reached([f"alpkd_pipeline.evaluation.run.{name}"])]
    }
    assert there == {"score_run": False, "evaluate_run": True}
    experiment = load().experiment
    assert "evaluate" in experiment._evaluation_facts.keys() - experiment._score_facts.keys()
