"""Teachers that were fine-tuned elsewhere: what is refused, and that nothing is written then."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training.conftest import copied

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.training.dispatch import run_stage


@pytest.fixture(scope="module")
def brought(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that has learnt something: three epochs on the small split."""
    from tests.training.conftest import PARAMS, TRAINING

    from alpkd_pipeline.store.checkpoints import Work
    from alpkd_pipeline.tasks.sources.demo import TASK

    folder = tmp_path_factory.mktemp("brought") / "model"
    teacher = {**PARAMS["teacher"], "training": {**TRAINING, "epochs": 4}}
    facts = {"stage": "teacher", "name": "t", "task": TASK.to_dict()}
    facts["params"] = {**PARAMS, "teacher": teacher}
    return run_stage(Work(folder, facts).begin(encoded=encoded, model=DEMO_FOLDER))


def adopt(begin, encoded: Path, model: Path) -> Path:
    inputs = {"encoded": encoded, "model": model}
    return run_stage(begin("adopted", "teacher", inputs, teacher__finetuned=True))


def edit(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def swap_outputs(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name].flip(0).contiguous()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_teacher_cuts_texts_where_the_task_does(begin, encoded_short, brought) -> None:
    assert read_json(brought / "tokenizer_config.json")["model_max_length"] == 64
    folder = adopt(begin, encoded_short, brought)
    assert read_json(folder / "tokenizer_config.json")["model_max_length"] == 12


def test_a_good_teacher_is_taken_over(begin, encoded, brought) -> None:
    folder = adopt(begin, encoded, brought)
    ours, theirs = (read_json(f / "metrics.json")["scores"]["dev"] for f in (folder, brought))
    assert ours == pytest.approx(theirs)
    assert read_json(folder / "metrics.json")["steps"] == 0


def test_outputs_in_another_named_order_are_put_right(begin, encoded, brought, tmp_path) -> None:
    other = copied(brought, tmp_path / "other")
    swap_outputs(other)
    edit(other, id2label={0: "positive", 1: "negative"}, label2id={"positive": 0, "negative": 1})
    folder = adopt(begin, encoded, other)
    assert torch.equal(
        load_file(folder / "model.safetensors")["classifier.weight"],
        load_file(brought / "model.safetensors")["classifier.weight"],
    )


def refused(begin, encoded: Path, model: Path, line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=line) as caught:
        adopt(begin, encoded, model)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "adopted" / "model.safetensors").exists()


def test_unnamed_outputs_in_another_order_are_refused(begin, encoded, brought, tmp_path) -> None:
    other = copied(brought, tmp_path / "other")
    swap_outputs(other)
    edit(other, id2label={0: "LABEL_0", 1: "LABEL_1"}, label2id={"LABEL_0": 0, "LABEL_1": 1})
    refused(begin, encoded, other, "another order", tmp_path)


def test_a_backbone_is_refused(begin, encoded, tmp_path) -> None:
    refused(begin, encoded, DEMO_FOLDER, "not fine-tuned", tmp_path)


def test_a_random_head_is_refused(begin, encoded, brought, tmp_path) -> None:
    other = copied(brought, tmp_path / "other")
    state = load_file(other / "model.safetensors")
    state["classifier.weight"].zero_()
    state["classifier.bias"].copy_(torch.tensor([1.0, 0.0]))
    save_file(state, other / "model.safetensors", metadata={"format": "pt"})
    refused(begin, encoded, other, "teacher", tmp_path)


def test_another_number_of_outputs_is_refused(begin, encoded, brought, tmp_path) -> None:
    other = copied(brought, tmp_path / "other")
    state = load_file(other / "model.safetensors")
    state["classifier.weight"] = torch.zeros(3, 64)
    state["classifier.bias"] = torch.zeros(3)
    save_file(state, other / "model.safetensors", metadata={"format": "pt"})
    edit(other, id2label={0: "a", 1: "b", 2: "c"}, label2id={"a": 0, "b": 1, "c": 2})
    refused(begin, encoded, other, "3", tmp_path)


def test_a_larger_tokenizer_is_refused(begin, encoded, brought, tmp_path) -> None:
    other = copied(brought, tmp_path / "other")
    state = load_file(other / "model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    state[name] = state[name][:100].clone()
    save_file(state, other / "model.safetensors", metadata={"format": "pt"})
    edit(other, vocab_size=100)
    refused(begin, encoded, other, "another model's tokenizer", tmp_path)


def test_no_file_of_an_adopted_teacher_is_executed(begin, encoded, brought, tmp_path) -> None:
    other = copied(brought, tmp_path / "other")
    (other / "model.safetensors").unlink()
    torch.save({"x": np.zeros(1)}, other / "pytorch_model.bin")
    refused(begin, encoded, other, "safetensors", tmp_path)
