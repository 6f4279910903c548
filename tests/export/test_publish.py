from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import numpy_helper
from tests.export.conftest import ROWS, MakeWorld, World, own_run

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export import publish as module
from alpkd_pipeline.export.graph import FORMS
from alpkd_pipeline.export.publish import publish_run
from alpkd_pipeline.export.runtime import Published, read_settings
from alpkd_pipeline.store.manifest import MANIFEST, seal


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the processes that time each form; one test has them."""
    monkeypatch.setattr(module, "_time", lambda *_: None)


def publish(world: World, teacher: Path | None = None) -> Path:
    publish_run(
        world.run,
        model=world.model,
        teacher=teacher,
        onnx=world.onnx,
        encoded=world.encoded,
        splits=world.splits,
    )
    return world.run


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def with_int8(world: World, to: Path, change: Any) -> World:
    """A world whose int8 file came out otherwise, and was sealed so."""
    shutil.copytree(world.onnx, to)
    model = onnx.load(to / FORMS["int8"])
    for weight in model.graph.initializer:
        if weight.name.endswith("_scale"):
            value = numpy_helper.to_array(weight)
            made = change(value).astype(value.dtype)
            weight.CopyFrom(numpy_helper.from_array(made, weight.name))
    onnx.save(model, to / FORMS["int8"])
    (to / MANIFEST).unlink()
    seal(to, {"stage": "student_onnx", "key": "o" * 64, "made_from": {}})
    return replace(world, onnx=to)


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize(
    ("encoder", "task"), [("bert", "pairs"), ("roberta", "three"), ("distilbert", "number")]
)
def test_what_is_published_is_whole(
    world: MakeWorld, tmp_path: Path, encoder: str, task: str
) -> None:
    folder = publish(own_run(world(encoder, task), tmp_path / "run"))
    settings, gate = read_settings(folder), read(folder, "gate.json")
    assert {*settings["files"]} >= {
        *FORMS.values(),
        "config.json",
        "model.safetensors",
        "runtime.py",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert [one["form"] for one in gate["forms"]] == ["fp32", "int8"]
    assert gate["forms"][0]["outcome"] == "passes"
    assert gate["forms"][1]["outcome"] in ("passes", "cannot be shown")
    assert gate["serve"] == settings["serve"] == "int8"
    model, dev = Published(folder), pd.read_csv(folder / "predictions" / "dev.csv")
    assert len(dev) == ROWS
    frame = pd.read_parquet(world(encoder, task).splits / "dev.parquet")
    columns = [frame[name].head(20).tolist() for name in settings["text_columns"]]
    predictions = model(*columns)
    if task == "number":
        assert dev["prediction"].head(20).tolist() == [one.score for one in predictions]
        return
    names = settings["labels"]
    assert dev["prediction"].head(20).tolist() == [names.index(one.label) for one in predictions]
    for name in names:
        held = dev[f"p_{name}"].head(20).to_numpy()
        assert np.allclose(held, [one.probabilities[name] for one in predictions], rtol=1e-12)
    assert read(folder, "calibration.json")["temperature"] == settings["temperature"]


@pytest.mark.usefixtures("untimed")
def test_what_was_not_to_be_calibrated_is_not(world: MakeWorld, tmp_path: Path) -> None:
    folder = publish(own_run(world(), tmp_path / "run", calibrate="none"))
    assert read(folder, "calibration.json") == {
        "seen_in_train": read(folder, "calibration.json")["seen_in_train"],
        "temperature": 1.0,
        "threshold": None,
    }


@pytest.mark.usefixtures("untimed")
def test_int8_that_fails_is_left_out_and_the_rest_published(
    world: MakeWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = with_int8(world(), tmp_path / "onnx", lambda v: v * 20)
    with caplog.at_level(logging.WARNING):
        folder = publish(own_run(broken, tmp_path / "run"))
    assert "published without int8, which the gate refuses: int8 fails: changed" in caplog.text
    settings = read_settings(folder)
    assert settings["forms"] == {"fp32": FORMS["fp32"]}
    assert settings["serve"] == "fp32" == Published(folder).form
    assert not (folder / FORMS["int8"]).exists()
    assert [one["outcome"] for one in read(folder, "gate.json")["forms"]] == ["passes", "fails"]


@pytest.mark.usefixtures("untimed")
def test_what_cannot_be_shown_is_published_unless_it_must_be(
    world: MakeWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = world().config.params["export"]["gate"]
    strict = {**gate, "int8": {**gate["int8"], "classification": {"changed": 0.5, "loss": 50}}}
    seen = publish(own_run(world(), tmp_path / "one", gate=strict))
    outcomes = [one["outcome"] for one in read(seen, "gate.json")["forms"]]
    assert outcomes == ["passes", "cannot be shown"]
    assert "int8" in read_settings(seen)["forms"]
    shown = publish(own_run(world(), tmp_path / "two", gate=strict, require_bound=True))
    assert "int8" not in read_settings(shown)["forms"]
    assert f"int8 cannot be shown with {ROWS} rows" in caplog.text


@pytest.mark.usefixtures("untimed")
def test_fp32_that_fails_publishes_nothing_and_says_which_rows(
    world: MakeWorld, tmp_path: Path
) -> None:
    stale = replace(own_run(world(), tmp_path / "run"), onnx=world(seed=1).onnx)
    with pytest.raises(
        UserError, match="the gate refuses the export, nothing is published"
    ) as caught:
        publish(stale)
    said = str(caught.value)
    assert "fp32 fails: changed answers" in said
    assert "rows " in said
    assert "the bounds are the parameters export.gate.fp32" in said
    assert not [*stale.run.rglob("*.onnx"), *stale.run.glob("*.safetensors")]
    assert (world(seed=1).onnx / FORMS["fp32"]).is_file()


@pytest.mark.usefixtures("untimed")
def test_a_file_that_is_not_the_sealed_one_is_refused(world: MakeWorld, tmp_path: Path) -> None:
    made = own_run(world(), tmp_path / "run")
    shutil.copytree(made.model, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"0": "no"', '"0": "yes"'))
    with pytest.raises(UserError, match=r"config\.json is not that of .*model: make the export"):
        publish(replace(made, model=tmp_path / "model"))


def test_a_student_is_timed_beside_its_teacher(world: MakeWorld, tmp_path: Path) -> None:
    made = own_run(world(), tmp_path / "run", price_per_hour=3.6)
    found = read(publish(made, teacher=world(seed=1).model), "speed.json")
    assert [one["name"] for one in found["forms"]] == [
        "student, ONNX fp32",
        "student, ONNX int8",
        "student, torch fp32",
        "student, torch bf16",
        "teacher, torch fp32",
        "teacher, torch bf16",
    ]
    assert found["price_per_hour"] == 3.6
    assert found["threads"] == 1
