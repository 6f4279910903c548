"""The files of a saved folder that two versions of transformers read alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoConfig,
    BertTokenizer,
    DebertaV2Tokenizer,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
    pipeline,
)

from alpkd_pipeline.models.encoder import load_tokenizer, make_portable, save_classifier
from alpkd_pipeline.models.student import build_student
from alpkd_pipeline.models.tokenizer_identity import check_same_tokenizer
from alpkd_pipeline.run_settings import StudentSettings
from alpkd_pipeline.store.manifest import sha256_file

PAIR = ("w1 w2", "w3 W4")
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "w", "##1", "##2", "##3", "##4"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "w", "1", "2", "3", "4", "Ġ", "Ġw"]
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁w", "1", "2", "3", "4", "▁", "W", "<mask>"]
DEBERTA = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "▁w", "1", "2", "3", "4", "▁", "W", "[MASK]"]


def scored(pieces: list[str]) -> list[tuple[str, float]]:
    return [(piece, -float(i)) for i, piece in enumerate(pieces)]


def numbered(tokens: list[str]) -> dict[str, int]:
    return {token: i for i, token in enumerate(tokens)}


def with_space() -> PreTrainedTokenizerBase:
    """Puts a space before a text, and says so in tokenizer.json alone."""
    core = Tokenizer(models.BPE(numbered(ROBERTA), [("Ġ", "w")], unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", unk_token="<unk>")


NATIVE: dict[str, Callable[[], PreTrainedTokenizerBase]] = {
    "bert": lambda: BertTokenizer(vocab=numbered(BERT), extra_special_tokens=["[ENT]"]),
    "bert-cased": lambda: BertTokenizer(vocab=numbered(BERT), do_lower_case=False),
    "roberta": lambda: RobertaTokenizer(vocab=numbered(ROBERTA), merges=[("Ġ", "w")]),
    "xlm-roberta": lambda: XLMRobertaTokenizer(vocab=scored(PIECES)),
    "deberta-v2": lambda: DebertaV2Tokenizer(vocab=scored(DEBERTA), unk_id=3),
    "byte-level with a space": with_space,
}
"""Tokenizers of classes of their own; each is saved under another name."""


def said(folder: Path, name: str = "tokenizer_config.json") -> dict[str, Any]:
    return json.loads((folder / name).read_text("utf-8"))


def test_the_settings_of_each_family(
    tmp_path: Path, family: str, make_model: Any, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer(family)
    save_classifier(make_model(family), tokenizer, tmp_path, 16)
    settings = said(tmp_path)
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["model_input_names"] == tokenizer.model_input_names
    assert settings["model_max_length"] == 16
    assert not {"is_local", "local_files_only", "extra_special_tokens"} & settings.keys()


@pytest.mark.parametrize("name", NATIVE)
def test_a_tokenizer_stays_what_it_was(tmp_path: Path, make_model: Any, name: str) -> None:
    """Loaded again, it gives the same ids and token types, for ever; and counts as the same."""
    tokenizer = NATIVE[name]()
    tokenizer.save_pretrained(tmp_path / "own")
    expected = dict(tokenizer(*PAIR))
    for folder in (tmp_path / "once", tmp_path / "twice"):
        save_classifier(make_model("bert"), tokenizer, folder)
        check_same_tokenizer(tmp_path / "own", folder)
        tokenizer = load_tokenizer(folder)
        assert dict(tokenizer(*PAIR)) == expected
    assert said(tmp_path / "once") == said(tmp_path / "twice")
    assert 1 in expected.get("token_type_ids", [1])


def test_added_tokens_have_the_name_that_both_know(tmp_path: Path, make_model: Any) -> None:
    save_classifier(make_model("bert"), NATIVE["bert"](), tmp_path)
    assert said(tmp_path)["additional_special_tokens"] == ["[ENT]"]
    assert load_tokenizer(tmp_path).tokenize("w1 [ENT]") == ["w", "##1", "[ENT]"]


def test_a_space_before_a_text_is_in_the_settings(tmp_path: Path, make_model: Any) -> None:
    save_classifier(make_model("bert"), with_space(), tmp_path)
    assert said(tmp_path)["add_prefix_space"] is True


def test_done_twice_it_is_the_same(
    tmp_path: Path, family: str, make_model: Any, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer(family)
    save_classifier(make_model(family), tokenizer, tmp_path, 16)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make_portable(tmp_path, tokenizer, 16)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_weights_are_the_library_s(
    tmp_path: Path, family: str, make_model: Any, make_tokenizer: Any
) -> None:
    model = make_model(family)
    model.save_pretrained(tmp_path / "plain")
    save_classifier(model, make_tokenizer(family), tmp_path / "ours", 16)
    name = "model.safetensors"
    assert sha256_file(tmp_path / "ours" / name) == sha256_file(tmp_path / "plain" / name)


def test_a_pipeline_cuts_where_the_training_cut(
    tmp_path: Path, make_model: Any, make_tokenizer: Any
) -> None:
    save_classifier(make_model("bert"), make_tokenizer(), tmp_path, 8)
    ask = pipeline("text-classification", model=str(tmp_path))
    long, cut = ("w1 " * 20, "w1 " * 6)
    assert ask(long, truncation=True) == ask(cut)
    assert ask(long) != ask(cut)


@pytest.mark.parametrize(
    ("init", "layers", "every"), [("first", 4, 3), ("first", 1, 1), ("skip", 4, None)]
)
def test_the_layers_of_modernbert(
    tmp_path: Path, make_model: Any, make_tokenizer: Any, init: str, layers: int, every: int | None
) -> None:
    """None where 4.57 has no words for it; version 5 reads what it wrote."""
    ropes = {
        "full_attention": {"rope_type": "default", "rope_theta": 5000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 700.0},
    }
    teacher = make_model("modernbert", rope_parameters=ropes)
    student = build_student(teacher, StudentSettings(layers, init), 0)
    save_classifier(student, make_tokenizer("modernbert"), tmp_path)
    config = said(tmp_path, "config.json")
    assert config["global_attn_every_n_layers"] == every
    assert (config["global_rope_theta"], config["local_rope_theta"]) == (5000.0, 700.0)
    again = AutoConfig.from_pretrained(tmp_path)
    assert again.layer_types == student.config.layer_types
    assert again.rope_parameters == student.config.rope_parameters


def test_a_scaled_rotary_embedding_of_modernbert(
    tmp_path: Path, make_model: Any, make_tokenizer: Any
) -> None:
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}
    model = make_model("modernbert", rope_parameters={"full_attention": scaled})
    save_classifier(model, make_tokenizer("modernbert"), tmp_path)
    assert said(tmp_path, "config.json")["global_attn_every_n_layers"] is None
