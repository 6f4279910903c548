"""Published models in MLflow: logged once, on the student's run, and registered."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import pytest
from tests.published import PAIR, make_export, shared_model

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.runtime import Published
from alpkd_pipeline.tracking.models import CANDIDATE, CHAMPION, Models, publish_model
from alpkd_pipeline.tracking.settings import TrackingSettings, read_state

Query = Callable[..., list[tuple[Any, ...]]]
EXAMPLE = ("w1 w2",)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_model(tmp_path_factory)


@pytest.fixture
def exported(tiny_model: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A published folder and its student's."""
    return make_export(tiny_model, tmp_path / "store", "a1")


def published(
    exported: tuple[Path, Path], settings: TrackingSettings, name: str | None = None
) -> str:
    return publish_model(*exported, settings, register=name, example=EXAMPLE)


def logged_folder(root: Path) -> Path:
    (found,) = root.glob("mlartifacts/models/*/artifacts")
    return found


# Logging -----------------------------------------------------------------------------------------


def test_it_hangs_on_the_student_s_run_which_stays_as_it_ended(
    exported: tuple[Path, Path], settings: TrackingSettings, rows: Query
) -> None:
    said = published(exported, settings)
    ((model_id, run_id),) = rows("select model_id, source_run_id from logged_models")
    assert said == f"models:/{model_id} in MLflow at {settings.shown}"
    assert run_id == read_state(exported[1]).run_id
    assert rows("select status, end_time from runs where run_uuid = ?", run_id) == [
        ("FINISHED", 1_700_000_100_250)
    ]
    outputs = "select destination_id from inputs where source_type = 'RUN_OUTPUT'"
    assert rows(outputs) == [(model_id,)]
    tags = dict(rows("select tag_key, tag_value from logged_model_tags"))
    assert tags == {
        "task": "tiny",
        "method": "alp_kd",
        "layers": "3",
        "seed": "1",
        "key": "1a" * 31 + "ff",
        "student_key": "a1" * 32,
        "form": "int8",
        "description": "A student of 3 layers. Published as ONNX int8.",
    }


def test_the_same_folder_again_finds_it(
    exported: tuple[Path, Path], settings: TrackingSettings, rows: Query
) -> None:
    assert published(exported, settings) == published(exported, settings)
    assert len(rows("select 1 from logged_models")) == 1


def test_a_model_whose_logging_was_killed_is_logged_anew(
    exported: tuple[Path, Path], settings: TrackingSettings, rows: Query
) -> None:
    first = published(exported, settings)
    from mlflow import MlflowClient

    model_id = first.split()[0].removeprefix("models:/")
    MlflowClient(settings.uri).finalize_logged_model(model_id, "FAILED")
    assert published(exported, settings) != first
    assert [status for (status,) in rows("select lifecycle_stage from logged_models")].count(
        "active"
    ) == 1


def test_only_what_is_served_is_in_it_and_no_path_of_this_machine(
    exported: tuple[Path, Path], settings: TrackingSettings, tmp_path: Path
) -> None:
    published(exported, settings)
    folder = logged_folder(tmp_path)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "MLmodel",
        "pyfunc.py",
        "requirements.txt",
        "conda.yaml",
        "python_env.yaml",
        "input_example.json",
        "serving_input_example.json",
        *(f"artifacts/published/{name}" for name in ("export.json", "runtime.py")),
        *(f"artifacts/published/{name}" for name in ("tokenizer.json", "onnx/model_int8.onnx")),
        "evidence/evidence.json",
        "artifacts/published/README.md",
        "evidence/predictions.csv",
    }
    places = [str(tmp_path).encode(), str(Path(__file__).parents[2]).encode(), b"/tmp/"]
    for name in names:
        assert not any(place in (folder / name).read_bytes() for place in places), name
    pinned = (folder / "requirements.txt").read_text().split()
    assert [line.partition("==")[0] for line in pinned] == [
        *("mlflow", "numpy", "onnxruntime", "pandas", "tokenizers")
    ]
    assert all(line.partition("==")[2] for line in pinned)


def test_it_predicts_as_the_folder_and_its_example_is_a_request(
    exported: tuple[Path, Path], settings: TrackingSettings, tmp_path: Path
) -> None:
    published(exported, settings)
    folder = logged_folder(tmp_path)
    model = mlflow.pyfunc.load_model(str(folder))
    (answer,) = Published(exported[0])([EXAMPLE[0]])
    example = json.loads((folder / "serving_input_example.json").read_text())["dataframe_split"]
    assert example == {"columns": ["text"], "data": [[EXAMPLE[0]]]}
    found = model.predict(pd.DataFrame(example["data"], columns=example["columns"]))
    assert found.to_dict("records")[0]["score"] == answer.score
    assert [spec.name for spec in model.metadata.signature.outputs] == [*found.columns]


def test_pairs_and_another_form(
    tiny_model: Path, settings: TrackingSettings, tmp_path: Path
) -> None:
    folder, student = make_export(tiny_model, tmp_path / "store", "a1", columns=PAIR, serve="fp32")
    publish_model(folder, student, settings, register=None, example=("w1", "w2"))
    place = logged_folder(tmp_path)
    assert (place / "artifacts/published/onnx/model.onnx").is_file()
    assert not (place / "artifacts/published/onnx/model_int8.onnx").exists()
    found = mlflow.pyfunc.load_model(str(place)).predict(
        pd.DataFrame({"text": ["w1"], "text_pair": ["w2"]})
    )
    (answer,) = Published(folder, "fp32")(["w1"], ["w2"])
    assert found["score"][0] == answer.score


def test_a_student_that_was_not_tracked_is_synced_first(
    exported: tuple[Path, Path], settings: TrackingSettings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "alpkd_pipeline"):
        published(exported, settings)
        published(exported, settings)
    lines = [r.message for r in caplog.records if r.name == "alpkd_pipeline.tracking.models"]
    assert lines == ["kd-a1 is brought into MLflow first, for its model to hang on"]


def test_without_a_run_it_is_logged_and_registered_all_the_same(
    exported: tuple[Path, Path],
    settings: TrackingSettings,
    rows: Query,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlflow import MlflowClient

    from alpkd_pipeline.tracking.folder_sync import sync_folder

    monkeypatch.chdir(tmp_path)
    run_id = sync_folder(exported[1], settings)
    MlflowClient(settings.uri).delete_run(str(run_id))
    assert published(exported, settings, "tiny").startswith("models:/tiny/1 (candidate)")
    assert rows("select source_run_id from logged_models") == [(None,)]
    assert "kd-a1 has no run in MLflow: its model is logged without one" in caplog.text
    assert not (tmp_path / "mlruns").exists()


# Registering -------------------------------------------------------------------------------------


def test_the_newest_version_is_the_candidate(
    tiny_model: Path, settings: TrackingSettings, tmp_path: Path
) -> None:
    folders = [make_export(tiny_model, tmp_path / "store", digit) for digit in ("a1", "b2")]
    said = [published(pair, settings, "tiny") for pair in folders]
    where = f"in MLflow at {settings.shown}"
    assert said == [f"models:/tiny/{n} (candidate) {where}" for n in (1, 2)]
    models = Models(settings)
    assert models.aliases("tiny") == {CANDIDATE: "2"}
    # The older one again is no candidate again, the newer one stays it.
    assert published(folders[0], settings, "tiny") == f"models:/tiny/1 {where}"
    assert published(folders[1], settings, "tiny") == said[1]
    assert models.aliases("tiny") == {CANDIDATE: "2"}
    assert [v.version for v in models.versions("tiny")] == [1, 2]
    assert models.versions("tiny")[1].tags["student_key"] == "b2" * 32
    name = f"models:/tiny@{CANDIDATE}"
    mlflow.set_tracking_uri(settings.uri)
    try:
        assert len(mlflow.pyfunc.load_model(name).predict(pd.DataFrame({"text": ["w1"]}))) == 1
    finally:
        mlflow.set_tracking_uri(None)


def test_a_model_that_was_judged_is_no_candidate_again(
    exported: tuple[Path, Path], settings: TrackingSettings
) -> None:
    published(exported, settings, "tiny")
    models = Models(settings)
    models.decide("tiny", "1", "champion since yesterday")
    models.point("tiny", CHAMPION, "1")
    models.point("tiny", CANDIDATE, None)
    assert published(exported, settings, "tiny").startswith("models:/tiny/1 (champion)")
    assert models.aliases("tiny") == {CHAMPION: "1"}


def test_two_processes_at_once_log_and_register_one(
    exported: tuple[Path, Path], settings: TrackingSettings, rows: Query, tmp_path: Path
) -> None:
    code = f"""
from pathlib import Path
from alpkd_pipeline.tracking.models import publish_model
from alpkd_pipeline.tracking.settings import tracking_settings
settings = tracking_settings("sqlite", "alpkd", Path({str(tmp_path)!r}))
print(publish_model(Path({str(exported[0])!r}), Path({str(exported[1])!r}), settings,
                    register="tiny", example=("w1",)))
"""
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {process.communicate(timeout=300)[0] for process in both}
    assert said == {f"models:/tiny/1 (candidate) in MLflow at {settings.shown}\n"}
    assert rows("select version from model_versions") == [(1,)]
    assert len(rows("select 1 from logged_models")) == 1


# Errors ------------------------------------------------------------------------------------------


def test_a_damaged_file_is_named(exported: tuple[Path, Path], settings: TrackingSettings) -> None:
    (exported[0] / "onnx/model_int8.onnx").write_bytes(b"other")
    with pytest.raises(UserError, match=r"model_int8\.onnx is damaged"):
        published(exported, settings)


def test_a_server_that_is_away_is_one_line(
    exported: tuple[Path, Path], settings: TrackingSettings, closed_port: int
) -> None:
    away = replace(settings, uri=f"http://127.0.0.1:{closed_port}", artifact_root=None)
    with pytest.raises(UserError, match=r"Connection refused") as raised:
        published(exported, away, "tiny")
    assert "\n" not in str(raised.value)


def test_an_unknown_name_is_asked_back(
    exported: tuple[Path, Path], settings: TrackingSettings
) -> None:
    published(exported, settings, "sentiment")
    with pytest.raises(UserError, match=r"no model 'sentimnt' .*did you mean 'sentiment'"):
        Models(settings).aliases("sentimnt")
