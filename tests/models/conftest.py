"""Tiny encoders of every supported family with random weights, and a word-level tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.tasks.task import Task

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = tuple(f"w{i}" for i in range(55))
WIDTH, HEADS, INNER = 32, 4, 48

NLI = Task(
    name="tiny_nli",
    kind="classification",
    text_columns=("premise", "hypothesis"),
    label_names=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
)
STS = Task(
    name="tiny_sts",
    kind="regression",
    text_columns=("sentence1", "sentence2"),
    label_names=(),
    metrics=("pearson",),
    label_range=(0.0, 5.0),
)

Make = Callable[..., PreTrainedModel]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def nli() -> Task:
    return NLI


@pytest.fixture
def sts() -> Task:
    return STS


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def tiny_config(family: str, layers: int, **changes: Any) -> PretrainedConfig:
    common = {"vocab_size": len(SPECIALS) + len(WORDS), "pad_token_id": 0}
    plain = {
        **common,
        "hidden_size": WIDTH,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "num_hidden_layers": layers,
        "max_position_embeddings": 64,
    }
    relative = {
        "relative_attention": True,
        "position_buckets": 8,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "type_vocab_size": 0,
    }
    ends = {"bos_token_id": 2, "cls_token_id": 2, "eos_token_id": 3, "sep_token_id": 3}
    sizes = {"n_layers": layers, "dim": WIDTH, "n_heads": HEADS, "hidden_dim": INNER}
    made: dict[str, tuple[type[PretrainedConfig], dict[str, Any]]] = {
        "bert": (BertConfig, plain),
        "roberta": (RobertaConfig, plain),
        "xlm-roberta": (XLMRobertaConfig, plain),
        "camembert": (CamembertConfig, plain),
        "mpnet": (MPNetConfig, plain),
        "distilbert": (DistilBertConfig, {**common, **sizes, "max_position_embeddings": 64}),
        "electra": (ElectraConfig, {**plain, "embedding_size": 16}),
        "deberta-v2": (DebertaV2Config, {**plain, **relative}),
        "modernbert": (
            ModernBertConfig,
            {**plain, **ends, "local_attention": 4, "norm_eps": 1e-12},
        ),
    }
    kind, values = made[family]
    return kind(**{**values, **changes})


@pytest.fixture
def make_model() -> Make:
    """A classifier in which no weight is at its neutral start (norms of 1, biases of 0)."""

    def make(
        family: str, layers: int = 6, labels: int = 3, seed: int = 0, **changes: Any
    ) -> PreTrainedModel:
        config = tiny_config(family, layers, num_labels=labels, **changes)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(seed)
            model = AutoModelForSequenceClassification.from_config(config)
            for weights in model.parameters():
                weights.add_(torch.randn_like(weights) * 0.1)
        return model.eval()

    return make


def word_tokenizer(family: str = "bert", words: tuple[str, ...] = WORDS) -> PreTrainedTokenizerFast:
    vocab = {token: i for i, token in enumerate((*SPECIALS, *words))}
    core = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    typed = family in ("bert", "electra")
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if typed else [])]
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
        model_input_names=names,
    )


@pytest.fixture
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    return word_tokenizer


@pytest.fixture
def save_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model and its tokenizer as a folder that `locate` accepts."""

    def save(model: PreTrainedModel, name: str = "model") -> Path:
        folder = tmp_path / name
        model.save_pretrained(folder)
        word_tokenizer(model.config.model_type).save_pretrained(folder)
        return folder

    return save


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Three texts of 12, 7 and 5 tokens, padded."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(5, 60, (3, 12), generator=generator)
    mask = torch.ones(3, 12, dtype=torch.long)
    for row, length in enumerate((12, 7, 5)):
        ids[row, 0], ids[row, length - 1] = 2, 3
        ids[row, length:], mask[row, length:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}
