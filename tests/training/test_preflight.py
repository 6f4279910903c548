"""Models that cannot read a row or cannot be saved: one line, and no training begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.conftest import NLI, tiny_config, word_tokenizer
from tests.training.conftest import copied
from tests.training.toys import loaded
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_classifier, load_tokenizer
from alpkd_pipeline.models.seen_rows import keep_seen_rows
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.encode import encode_splits
from alpkd_pipeline.tasks.sources.demo import TASK, load
from alpkd_pipeline.training.devices import Accelerator, accelerator_for, resolve_hardware
from alpkd_pipeline.training.dispatch import run_stage
from alpkd_pipeline.training.preflight import check_fits, check_saves

POSITIONS = 16
ADDED = "<user>"


@pytest.fixture
def cpu() -> Iterator[Accelerator]:
    with accelerator_for(resolve_hardware("cpu", "fp32", 1)) as accelerator:
        yield accelerator


def model_of(family: str, **changes: Any) -> PreTrainedModel:
    sizes = {"max_position_embeddings": POSITIONS, "num_labels": 3, **changes}
    return AutoModelForSequenceClassification.from_config(tiny_config(family, 2, **sizes))


def rows_of(words: dict[str, list[int]], folder: Path, family: str = "bert", last: str = "") -> Any:
    """Encodes splits whose texts have so many words; `last` is added to the last split's first."""
    frames = {}
    for name, counts in words.items():
        texts = [" ".join(f"w{i}" for i in range(count)) for count in counts]
        columns = {"premise": texts, "hypothesis": ["w1"] * len(texts)}
        columns |= {"label": np.zeros(len(texts), int), "idx": np.arange(len(texts))}
        frames[name] = pd.DataFrame(columns)
    frames[name].loc[0, "hypothesis"] = f"w1 {last}".strip()
    tokenizer = word_tokenizer(family)
    tokenizer.add_tokens([ADDED])
    tokenizer.model_max_length = 10**9
    encode_splits(frames, NLI, tokenizer, 100, folder)
    return tokenizer


def fits(model: PreTrainedModel, tokenizer: Any, folder: Path, cpu: Accelerator) -> None:
    check_fits(loaded(model, cpu, tokenizer), folder)


def saves(model: PreTrainedModel, tokenizer: Any, room: Path, cpu: Accelerator) -> None:
    check_saves(loaded(model, cpu, tokenizer), room)


def refused(check: Callable[..., None], *args: Any) -> str:
    with pytest.raises(UserError) as caught:
        check(*args)
    assert "\n" not in str(caught.value)
    assert "the-model" in str(caught.value)
    return str(caught.value)


LIMITS = {
    "bert": 16,
    "distilbert": 16,
    "electra": 16,
    "roberta": 15,
    "roberta of the library": 14,
    "xlm-roberta of the library": 14,
    "camembert of the library": 14,
    "mpnet": 14,
}
"""Tokens that models with a table of 16 positions read."""


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_the_longest_row_of_any_split_has_positions(
    name: str, split: str, cpu: Accelerator, tmp_path: Path
) -> None:
    family, reads = name.split()[0], LIMITS[name]
    more = {"pad_token_id": 1} if "library" in name else {}
    model = model_of(family, **more)
    words = {"train": [3, 1], "dev": [2], "test": [1, 2, 3], split: [1, reads - 4]}
    tokenizer = rows_of(words, tmp_path, family)
    fits(model, tokenizer, tmp_path, cpu)
    tokenizer = rows_of({**words, split: [1, reads - 3]}, tmp_path, family)
    said = refused(fits, model, tokenizer, tmp_path, cpu)
    assert f"split {split}: its longest row has {reads + 1} tokens" in said
    assert f"set task.max_length to {reads} or less" in said


@pytest.mark.parametrize("family", ["deberta-v2", "modernbert"])
def test_models_without_a_table_of_positions_read_any_row(
    family: str, cpu: Accelerator, tmp_path: Path
) -> None:
    fits(model_of(family), rows_of({"train": [70]}, tmp_path, family), tmp_path, cpu)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_token_without_embedding_in_a_short_row(
    family: str, cpu: Accelerator, tmp_path: Path
) -> None:
    tokenizer = rows_of({"train": [9, 8], "test": [1, 10]}, tmp_path, family, last=ADDED)
    model = model_of(family)
    said = refused(fits, model, tokenizer, tmp_path, cpu)
    assert f"split test: the token '{ADDED}' has the id 60" in said
    assert "embeddings for 60 tokens only" in said
    model.resize_token_embeddings(len(tokenizer))
    fits(model, tokenizer, tmp_path, cpu)


def test_a_token_type_without_embedding(cpu: Accelerator, tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    frame = pd.DataFrame({"premise": ["w1 w2"], "hypothesis": ["w3"], "label": [0], "idx": [0]})
    tokenizer = word_tokenizer("bert")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:2 [SEP]:2",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    encode_splits({"train": frame}, NLI, tokenizer, 12, tmp_path)
    said = refused(fits, model_of("bert"), tokenizer, tmp_path, cpu)
    assert "gives the token type 2, but the model knows 2" in said
    assert "type_vocab_size" in said
    fits(model_of("bert", type_vocab_size=3), tokenizer, tmp_path, cpu)
    # Models with one type, or none, are fed none.
    fits(model_of("bert", type_vocab_size=1), tokenizer, tmp_path, cpu)
    fits(model_of("distilbert"), tokenizer, tmp_path, cpu)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_damaged_weights_are_found_before_they_are_trained(
    bad: float, cpu: Accelerator, tmp_path: Path
) -> None:
    model = model_of("bert")
    with torch.no_grad():
        model.bert.encoder.layer[1].output.dense.weight[0, 0] = bad
    tokenizer = rows_of({"train": [3]}, tmp_path)
    said = refused(fits, model, tokenizer, tmp_path, cpu)
    assert "longest row of split train" in said
    assert "its weights are damaged" in said


def test_a_forward_pass_that_fails_is_one_line(cpu: Accelerator, tmp_path: Path) -> None:
    model = model_of("roberta")
    model.roberta.embeddings.padding_idx = None
    tokenizer = rows_of({"dev": [3]}, tmp_path, "roberta")
    assert "cannot read the longest row of split dev" in refused(
        fits, model, tokenizer, tmp_path, cpu
    )


def test_splits_without_rows_are_left_out(cpu: Accelerator, tmp_path: Path) -> None:
    tokenizer = rows_of({"test": [], "train": [2]}, tmp_path)
    fits(model_of("bert"), tokenizer, tmp_path, cpu)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed_by_looking(training: bool, cpu: Accelerator, tmp_path: Path) -> None:
    model, tokenizer = model_of("bert"), rows_of({"train": [4, 2]}, tmp_path)
    model.train(training)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    torch.manual_seed(3)
    np.random.seed(3)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    fits(model, tokenizer, tmp_path, cpu)
    saves(model, tokenizer, tmp_path, cpu)
    assert model.training is training
    assert all(torch.equal(before[k], weight) for k, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".arrow"]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_model_of_each_family_comes_back_from_a_file(
    family: str, cpu: Accelerator, tmp_path: Path
) -> None:
    saves(model_of(family), word_tokenizer(family), tmp_path, cpu)


def test_a_model_that_its_library_refuses_to_save(cpu: Accelerator, tmp_path: Path) -> None:
    model = model_of("bert")
    model.config._output_attentions = True
    said = refused(saves, model, word_tokenizer(), tmp_path, cpu)
    assert "the-model/config.json" in said
    assert "output_attentions" in said
    assert not list(tmp_path.iterdir())


def test_a_weight_that_does_not_come_back(cpu: Accelerator, tmp_path: Path) -> None:
    """A table of some rows only: what is saved is not the whole model."""
    model = model_of("bert")
    keep_seen_rows(model, np.arange(7))
    said = refused(saves, model, word_tokenizer(), tmp_path, cpu)
    assert "cannot be saved and loaded again" in said
    tied = model_of("bert")
    tied.bert.register_buffer("more", torch.zeros(2))
    assert "more" in refused(saves, tied, word_tokenizer(), tmp_path, cpu)


def without_positions(folder: Path, rows: int) -> None:
    """Cuts the table of positions, in the weights and in config.json alike."""
    weights = load_file(folder / "model.safetensors")
    name = next(key for key in weights if key.endswith("position_embeddings.weight"))
    weights[name] = weights[name][:rows].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": rows}))


def test_no_training_begins(
    begin: Any, encoded: Path, teacher: Path, signals: Path, tmp_path: Path
) -> None:
    """A teacher to be fine-tuned, one that was brought, and a student's own checkpoint."""
    bare, tuned = copied(DEMO_FOLDER, tmp_path / "bare"), copied(teacher, tmp_path / "tuned")
    for folder in (bare, tuned):
        without_positions(folder, 8)
    common = {"encoded": encoded}
    student = {"teacher": teacher, "signals": signals, "checkpoint": bare}
    runs = {
        "fine-tuned": begin("t", "teacher", {**common, "model": bare}),
        "brought": begin("b", "teacher", {**common, "model": tuned}, teacher__finetuned=True),
        "student": begin("s", "student", {**common, **student}, student__init="checkpoint"),
    }
    for name, run in runs.items():
        with pytest.raises(UserError, match=r"its longest row has .* reads 8") as caught:
            run_stage(run)
        assert str(tuned if name == "brought" else bare) in str(caught.value)
        assert "\n" not in str(caught.value)
        assert [path.name for path in run.iterdir()] == ["run.json"]


def test_a_teacher_whose_config_wants_attentions_is_trained(
    begin: Any, encoded: Path, teacher: Path, tmp_path: Path
) -> None:
    folder = copied(DEMO_FOLDER, tmp_path / "bare")
    config = json.loads((folder / "config.json").read_text())
    flags = {"output_attentions": True, "output_hidden_states": True, "return_dict": False}
    (folder / "config.json").write_text(json.dumps(config | flags))
    made = run_stage(begin("t", "teacher", {"encoded": encoded, "model": folder}))
    assert read_json(made / "metrics.json")["steps"] == 6
    ours, theirs = (load_file(run / "model.safetensors") for run in (made, teacher))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_demo_fits(cpu: Accelerator, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(DEMO_FOLDER)
    encode_splits(load(), TASK, tokenizer, 64, tmp_path)
    model = load_classifier(DEMO_FOLDER, TASK, 0)
    fits(model, tokenizer, tmp_path, cpu)
    saves(model, tokenizer, tmp_path, cpu)
