"""The table and the lines at the end of a run, from hand-made folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.reporting.terminal import PAGE, ModelSummary, closing_lines, experiment_summary
from alpkd_pipeline.store.manifest import read_json, seal, write_json
from alpkd_pipeline.store.run_folder import DamagedError


def model(folder: Path, layers: int, parameters: int, **metrics: Any) -> Path:
    config = read_json(DEMO_FOLDER / "config.json") | {"num_hidden_layers": layers}
    write_json(folder / "config.json", config)
    write_json(folder / "metrics.json", {"parameters": {"total": parameters}, **metrics})
    task = {"metrics": ["matthews", "accuracy"], "dev_splits": ["dev", "dev_mismatched"]}
    write_json(folder / "run.json", {"task": task})
    seal(folder, {})
    return folder


def scores(folder: Path, **splits: dict[str, float] | None) -> Path:
    found = {name: {"rows": 3, "scores": values} for name, values in splits.items()}
    write_json(folder / "scores.json", {"splits": found})
    seal(folder, {})
    return folder


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    return {
        "teacher": model(tmp_path / "t", 12, 630_000, seconds=40.5),
        "student": model(tmp_path / "s", 4, 230_000, seconds=7.25),
    }


def test_a_line_for_each_model(models: dict[str, Path], tmp_path: Path) -> None:
    scored = {
        "teacher": scores(tmp_path / "ts", dev={"accuracy": 0.95, "f1": 0.9}),
        "student": scores(tmp_path / "ss", dev={"accuracy": 0.85, "f1": 0.8}),
    }
    assert experiment_summary(models, scored) == [
        ModelSummary("teacher", 12, 630_000, {"dev accuracy": 0.95, "dev f1": 0.9}, 40.5),
        ModelSummary("student", 4, 230_000, {"dev accuracy": 0.85, "dev f1": 0.8}, 7.25),
    ]


def test_only_dev_is_shown_of_an_evaluation(models: dict[str, Path], tmp_path: Path) -> None:
    found = {"accuracy": 0.85, "mine": 2.5}
    whole = scores(tmp_path / "se", train=found, dev=found, test=found, hidden=None)
    (line,) = experiment_summary(models, {"student": whole})
    assert line.scores == {"dev accuracy": 0.85, "dev mine": 2.5}


def test_the_primary_metric_comes_first(models: dict[str, Path], tmp_path: Path) -> None:
    found = scores(tmp_path / "ss", dev={"accuracy": 0.8, "matthews": 0.4})
    (line,) = experiment_summary(models, {"student": found})
    assert list(line.scores) == ["dev matthews", "dev accuracy"]


def test_every_dev_split_has_its_own_scores(models: dict[str, Path], tmp_path: Path) -> None:
    found = scores(
        tmp_path / "ss", dev={"accuracy": 0.8}, dev_mismatched={"accuracy": 0.7}, test=None
    )
    (line,) = experiment_summary(models, {"student": found})
    assert line.scores == {"dev accuracy": 0.8, "dev_mismatched accuracy": 0.7}


def test_what_is_not_scored_yet_has_no_line(models: dict[str, Path], tmp_path: Path) -> None:
    scored = {"teacher": scores(tmp_path / "ts", dev={"a": 1.0}), "student": tmp_path / "none"}
    assert [line.model for line in experiment_summary(models, scored)] == ["teacher"]
    assert experiment_summary(models, {}) == []


@pytest.mark.parametrize("file", ["t/metrics.json", "t/run.json", "t/config.json", "s/scores.json"])
def test_what_is_not_what_was_written_is_not_shown(tmp_path: Path, file: str) -> None:
    models = {"teacher": model(tmp_path / "t", 12, 630_000)}
    scored = {"teacher": scores(tmp_path / "s", dev={"a": 0.5})}
    path = tmp_path / file
    path.write_text(path.read_text().replace("5", "6").replace("0", "1").replace("a", "b", 1))
    with pytest.raises(DamagedError, match=f"{path.name} is damaged: sha256"):
        experiment_summary(models, scored)


KINDS: dict[str, dict[str, Any]] = {
    "classes": {"kind": "classification", "label_names": ["no", "yes"], "metrics": ["matthews"]},
    "numbers": {"kind": "regression", "label_names": [], "metrics": ["pearson"]},
}


@pytest.mark.parametrize(
    ("kind", "predictions", "said"),
    [
        ("classes", [0, 0, 0], "student answers 'no' for all 3 dev rows"),
        ("classes", [1, 1, 1], "student answers 'yes' for all 3 dev rows"),
        ("classes", [1, 0, 1], ""),
        (
            "numbers",
            [2.5, 2.51, 2.6],
            "student answers nearly the same for all 3 dev rows: 2.5 to 2.6, where the labels are 0"
            " to 1",
        ),
        ("numbers", [0.1, 0.5, 0.9], ""),
    ],
)
def test_a_model_that_says_the_same_of_every_row_is_named(
    models: dict[str, Path], tmp_path: Path, kind: str, predictions: list[float], said: str
) -> None:
    task = {**KINDS[kind], "dev_splits": ["dev"]}
    write_json(models["student"] / "run.json", {"task": task})
    seal(models["student"], {})
    found = tmp_path / "ss"
    (found / "predictions").mkdir(parents=True)
    pairs = zip((0, 1, 1), predictions, strict=True)
    rows = (f"{i},{label},{one}" for i, (label, one) in enumerate(pairs))
    (found / "predictions" / "dev.csv").write_text("\n".join(["idx,label,prediction", *rows, ""]))
    (line,) = experiment_summary(models, {"student": scores(found, dev={"matthews": 0.0})})
    assert line.note == said


def test_a_model_that_is_gone_has_no_line(tmp_path: Path) -> None:
    found = scores(tmp_path / "ts", dev={"a": 1.0})
    assert experiment_summary({"teacher": tmp_path / "gone"}, {"teacher": found}) == []


def test_an_adopted_teacher_took_no_time(tmp_path: Path) -> None:
    brought = model(tmp_path / "t", 6, 10, seconds=None)
    (line,) = experiment_summary({"teacher": brought}, {"teacher": scores(tmp_path / "s", dev={})})
    assert line.seconds is None


def test_closing_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    student, comparison = tmp_path / "data" / "s", tmp_path / "data" / "c"
    assert closing_lines(student, comparison, "make mlflow") == [
        "student: data/s",
        f"comparison: data/c/{PAGE}",
        "mlflow: make mlflow",
    ]


def test_paths_elsewhere_are_given_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert closing_lines(tmp_path / "s", None, None) == [f"student: {tmp_path / 's'}"]


def test_nothing_to_say() -> None:
    assert closing_lines(None, None, None) == []
    assert closing_lines(None, None, "make mlflow") == ["mlflow: make mlflow"]
