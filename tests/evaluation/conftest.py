"""A tiny fine-tuned model and encoded splits for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from alpkd_pipeline.models.encoder import name_outputs, save_classifier
from alpkd_pipeline.tasks.encode import EncodedSplit, write_encoded
from alpkd_pipeline.tasks.task import Task

TASK = Task("tiny", "classification", ("sentence",), ("no", "yes"), ("accuracy", "f1"))
STS = Task("sts", "regression", ("sentence",), (), ("pearson",), label_range=(0.0, 5.0))
VOCABULARY = 20


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(VOCABULARY - 4))]
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=16,
    )


@pytest.fixture(scope="session")
def model_folder(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast
) -> Callable[[Task], Path]:
    """A saved two-layer model for a task, its weights random."""

    def make(task: Task) -> Path:
        folder = tmp_path_factory.mktemp("model")
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=16,
            initializer_range=0.5,
        )
        name_outputs(config, task)
        with torch.random.fork_rng():
            torch.manual_seed(6)
            save_classifier(BertForSequenceClassification(config), tokenizer, folder)
        return folder

    return make


@pytest.fixture(scope="session")
def classifier(model_folder: Callable[[Task], Path]) -> Path:
    return model_folder(TASK)


def split(labels: np.ndarray, lengths: tuple[int, ...] = (4, 7, 3, 9, 5), top: int = 19):
    """Rows of random words with these labels; `top` is the largest token id."""
    draw = np.random.default_rng(0)
    rows = [
        np.array([2, *draw.integers(4, top, size=n - 3), top, 3], dtype=np.int32)
        for n in np.resize(lengths, len(labels))
    ]
    return EncodedSplit(
        offsets=np.cumsum([0, *map(len, rows)], dtype=np.int64),
        input_ids=np.concatenate([*rows, np.empty(0, np.int32)]).astype(np.int32),
        token_type_ids=None,
        labels=labels,
        idx=np.arange(len(labels)),
        max_length=16,
        cut_rows=0,
    )


@pytest.fixture
def encoded(tmp_path: Path) -> Path:
    """dev with labels, test with hidden ones."""
    folder = tmp_path / "encoded"
    write_encoded(folder, "dev", split(np.array([0, 1, 1, 0, 1, 0, 0], dtype=np.int64)))
    write_encoded(folder, "test", split(np.full(3, -1, dtype=np.int64)))
    return folder
