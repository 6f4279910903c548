"""The shipped checkpoint: what transformers makes of it, and that it knows the demo language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from demo_language import sentences, vocabulary
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    PreTrainedTokenizerBase,
)

from alpkd_pipeline import models
from alpkd_pipeline.store.manifest import sha256_file
from alpkd_pipeline.tasks.sources import demo

FOLDER = Path(models.__file__).parent / "demo_checkpoint"
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)


@pytest.fixture(scope="module")
def model() -> BertForSequenceClassification:
    return AutoModelForSequenceClassification.from_pretrained(FOLDER, local_files_only=True).eval()


def test_the_folder_is_whole_and_small() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2 * MEGABYTE


def test_the_readme_names_the_weights_by_their_hash() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert re.findall(r"`([0-9a-f]{64})`", readme) == [sha256_file(FOLDER / "model.safetensors")]
    assert "license: apache-2.0" in readme


def test_the_configuration_has_the_promised_sizes() -> None:
    config = AutoConfig.from_pretrained(FOLDER, local_files_only=True)
    assert config.model_type == "bert"
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (12, 64, 4)
    assert (config.intermediate_size, config.vocab_size) == (256, 320)
    assert config.max_position_embeddings == 64
    assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == 0


def test_the_weights_are_a_finite_half_precision_backbone() -> None:
    with safe_open(FOLDER / "model.safetensors", framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert all(name.startswith(("bert.embeddings.", "bert.encoder.")) for name in weights)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert all(bool(value.isfinite().all()) for value in weights.values())


def test_only_the_head_is_new_after_loading() -> None:
    loaded, info = AutoModelForSequenceClassification.from_pretrained(
        FOLDER, local_files_only=True, output_loading_info=True
    )
    assert {name.rsplit(".", 1)[0] for name in info["missing_keys"]} == {
        "bert.pooler.dense",
        "classifier",
    }
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    assert loaded.dtype == torch.float32


def test_every_demo_word_has_its_own_token(tokenizer: PreTrainedTokenizerBase) -> None:
    ids = set()
    for frame in demo.load().values():
        texts = frame["sentence"].tolist()
        for text, encoded in zip(texts, tokenizer(texts)["input_ids"], strict=True):
            assert len(encoded) == len(text.split()) + 2
            ids.update(encoded)
    assert tokenizer.unk_token_id not in ids
    assert max(ids) < len(tokenizer) == 5 + len(vocabulary()) <= 320


def test_texts_are_lower_cased_and_unknown_words_are_unknown(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    assert tokenizer.tokenize("The FILM was goodish.") == ["the", "film", "was", "[UNK]", "."]


def test_two_texts_are_framed_as_in_bert(tokenizer: PreTrainedTokenizerBase) -> None:
    single, pair = tokenizer("the film"), tokenizer("the film", "good .")
    tokens = tokenizer.convert_ids_to_tokens(pair["input_ids"])
    assert tokens == ["[CLS]", "the", "film", "[SEP]", "good", ".", "[SEP]"]
    assert pair["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1]
    assert single["token_type_ids"] == [0, 0, 0, 0]
    assert set(single) == {"input_ids", "token_type_ids", "attention_mask"}


def test_special_tokens_and_length_are_declared(tokenizer: PreTrainedTokenizerBase) -> None:
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert tokenizer.convert_ids_to_tokens(range(5)) == specials
    assert set(tokenizer.all_special_tokens) == set(specials)
    assert tokenizer.pad_token_id == 0
    assert tokenizer.model_max_length == 64
    assert len(tokenizer("film " * 100, truncation=True)["input_ids"]) == 64


@torch.no_grad()
def test_the_last_layers_know_the_polarity_and_the_first_do_not(
    tokenizer: PreTrainedTokenizerBase, model: BertForSequenceClassification
) -> None:
    """A linear reading of the first word's state, fitted on 250 sentences, tried on 150 others."""
    rows = sentences(400, seed=11)
    batch = tokenizer([row.text for row in rows], padding=True, return_tensors="pt")
    target = torch.tensor([row.label for row in rows]) * 2.0 - 1.0
    states = model(**batch, output_hidden_states=True).hidden_states
    right = {}
    for layer in (2, 12):
        features = torch.cat([states[layer][:, 1], torch.ones(len(rows), 1)], dim=1)
        reading = torch.linalg.lstsq(features[:250], target[:250, None]).solution
        guessed = (features[250:] @ reading)[:, 0].sign()
        right[layer] = float((guessed == target[250:]).float().mean())
    assert right[12] > 0.95
    assert right[2] < 0.8
