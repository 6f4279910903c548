"""Every family: cut by every start, trained 20 steps, exported, loaded again by others' tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.training.conftest import PARAMS, TRAINING
from transformers import AutoModelForSequenceClassification, pipeline

from alpkd_pipeline.distillation.method_table import resolve_method
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.encode import encode_splits
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.dispatch import run_stage

STARTS = ("first", "skip", "last", "random", "checkpoint")
ROWS = 80


def rows(task: Task, seed: int) -> pd.DataFrame:
    """Pairs of texts of one to nine words, with labels."""
    draw = np.random.default_rng(seed)

    def text() -> str:
        return " ".join(f"w{i}" for i in draw.integers(0, 55, draw.integers(1, 10)))

    labels = (
        draw.integers(0, task.num_labels, ROWS)
        if task.kind == "classification"
        else draw.uniform(0, 5, ROWS)
    )
    columns = {name: [text() for _ in range(ROWS)] for name in task.text_columns}
    return pd.DataFrame({**columns, "label": labels, "idx": np.arange(ROWS)})


def distil(
    folder: Path,
    task: Task,
    tokenizer,
    inputs: dict[str, Path],
    init: str,
    method: str = "alp_kd",
    train_rows: int = ROWS,
    epochs: int = 2,
) -> Path:
    encoded = folder / "encoded"
    encoded.mkdir()
    frames = {"train": rows(task, 0).head(train_rows), "dev": rows(task, 1)}
    encode_splits(frames, task, tokenizer, 24, encoded)
    settings = resolve_method(method, {}, None, {}).to_dict()
    params = {
        **PARAMS,
        "student": {**PARAMS["student"], "layers": 2, "init": init},
        "method": {"pooling": "cls", "projection": "none", **settings},
        # 80 rows in batches of 8 for two epochs: 20 steps.
        "training": {**TRAINING, "batch_size": 8, "epochs": epochs},
        "signals": {"source": "live", "dtype": "fp32"},
    }
    facts = {"stage": "student", "name": "s", "task": task.to_dict(), "params": params}
    work = Work(folder / "student", facts)
    return run_stage(work.begin(encoded=encoded, **inputs))


@pytest.mark.parametrize("init", STARTS)
def test_a_family_is_cut_trained_exported_and_loaded(
    family, init, nli, make_model, make_tokenizer, save_folder, tmp_path
) -> None:
    teacher = save_folder(make_model(family, layers=4), "teacher")
    inputs = {
        "teacher": teacher,
        "checkpoint": save_folder(make_model(family, layers=3, seed=4), "c"),
    }
    folder = distil(tmp_path, nli, make_tokenizer(family), inputs, init)
    assert read_json(folder / "metrics.json")["steps"] == 20

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert model.config.num_hidden_layers == 2
    assert list(model.config.id2label.values()) == list(nli.label_names)
    classify = pipeline("text-classification", model=str(folder), top_k=None)
    said = classify({"text": "w1 w2 w3", "text_pair": "w4"})
    inputs = classify.tokenizer("w1 w2 w3", "w4", return_tensors="pt")
    with torch.no_grad():
        odds = model(**inputs).logits.softmax(-1)[0]
    by_label = {answer["label"]: answer["score"] for answer in said}
    assert [by_label[n] for n in nli.label_names] == pytest.approx(odds.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    "method", ["rail_kd", "universal_kd", "minilmv2", "tinybert", "cka", "lad"]
)
def test_methods_of_other_signals_train_on_a_family_or_say_why_not(
    family, method, nli, make_model, make_tokenizer, save_folder, tmp_path
) -> None:
    inputs = {"teacher": save_folder(make_model(family, layers=4), "teacher")}

    def train() -> Path:
        tokenizer = make_tokenizer(family)
        return distil(tmp_path, nli, tokenizer, inputs, "first", method, train_rows=24, epochs=1)

    if method == "tinybert" and family in ("deberta-v2", "modernbert", "mpnet"):
        with pytest.raises(UserError, match=f"'{family}' depend on positions") as caught:
            train()
        assert "\n" not in str(caught.value)
        return
    folder = train()
    assert read_json(folder / "metrics.json")["steps"] == 3
    losses = [e["loss"] for e in read_event_log(folder)[0] if e["event"] == "step"]
    assert all(np.isfinite(list(loss.values())).all() for loss in losses)
    assert all(loss["intermediate"] > 0 for loss in losses)


def test_blocks_of_the_teacher_stand_in_on_every_family(
    family, nli, make_model, make_tokenizer, save_folder, tmp_path
) -> None:
    teacher = save_folder(make_model(family, layers=4), "teacher")
    tokenizer = make_tokenizer(family)
    folder = distil(tmp_path, nli, tokenizer, {"teacher": teacher}, "first", "theseus")
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.num_hidden_layers == 2
    said = [e for e in read_event_log(folder)[0] if e["event"] == "step"]
    assert all(np.isfinite(event["loss"]["hard"]) for event in said)
    # 20 steps, of which the first 10 draw.
    shares = [event["watch"]["replaced"] for event in said]
    assert min(shares) < 1.0
    assert shares[-1] == 1.0


@pytest.mark.parametrize(
    "method",
    [
        *("kd", "alp_kd", "ckd_no", "rail_kd", "universal_kd", "minilmv2", "tinybert"),
        *("fdd", "cka", "lad", "theseus"),
    ],
)
def test_a_regression_is_distilled(
    method, sts, make_model, make_tokenizer, save_folder, tmp_path
) -> None:
    teacher = save_folder(make_model("bert", layers=4, labels=1), "teacher")
    folder = distil(tmp_path, sts, make_tokenizer("bert"), {"teacher": teacher}, "first", method)
    assert "pearson" in read_json(folder / "metrics.json")["scores"]["dev"]
    frame = pd.read_csv(folder / "predictions" / "dev.csv")
    assert list(frame) == ["idx", "label", "prediction"]
    answer = pipeline("text-classification", model=str(folder))({"text": "w1", "text_pair": "w2"})
    # A regression's value comes out as it is, not squashed through a sigmoid.
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokens = make_tokenizer("bert")("w1", "w2", return_tensors="pt")
    with torch.no_grad():
        value = model(**tokens).logits.item()
    found = answer[0] if isinstance(answer, list) else answer
    assert found["score"] == pytest.approx(value, abs=1e-5)
