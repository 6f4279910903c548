import json

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.latency import model_size
from alpkd_pipeline.models.student import count_parameters

PLAIN = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
}
FAMILIES = {
    "bert": BertConfig(**PLAIN),
    "roberta": RobertaConfig(**PLAIN),
    "xlm-roberta": XLMRobertaConfig(**PLAIN),
    "camembert": CamembertConfig(**PLAIN),
    "mpnet": MPNetConfig(**PLAIN),
    "distilbert": DistilBertConfig(vocab_size=30, dim=16, n_heads=2, hidden_dim=24, n_layers=2),
    "electra": ElectraConfig(**PLAIN, embedding_size=8),
    "deberta-v2": DebertaV2Config(
        **PLAIN, relative_attention=True, position_buckets=4, pos_att_type=["p2c", "c2p"]
    ),
    "modernbert": ModernBertConfig(
        **PLAIN, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_header_says_what_the_loaded_model_says(family, tmp_path):
    model = AutoModelForSequenceClassification.from_config(FAMILIES[family])
    model.save_pretrained(tmp_path)
    loaded = count_parameters(model)
    biases = 32 * 2 if family == "mpnet" else 0  # by distance and head, for all layers
    assert model_size(tmp_path) == {
        "parameters": loaded["total"],
        "parameters_without_embeddings": loaded["without_embeddings"] + biases,
        "file_bytes": (tmp_path / "model.safetensors").stat().st_size,
    }


def test_counts_worked_out_by_hand(tmp_path):
    tensors = {
        "bert.embeddings.word_embeddings.weight": torch.zeros(10, 4),
        "bert.embeddings.LayerNorm.weight": torch.zeros(4),
        "bert.embeddings.position_ids": torch.zeros(1, 16, dtype=torch.int64),  # no parameter
        "electra.embeddings_project.weight": torch.zeros(4, 4),  # a matrix, no table
        "classifier.weight": torch.zeros(2, 4, dtype=torch.float16),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    found = model_size(tmp_path)
    assert found["parameters"] == 40 + 4 + 16 + 8
    assert found["parameters_without_embeddings"] == 4 + 16 + 8


def test_shards_are_added_up(tmp_path):
    model = AutoModelForSequenceClassification.from_config(FAMILIES["bert"])
    model.save_pretrained(tmp_path / "one")
    model.save_pretrained(tmp_path / "many", max_shard_size="10KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    one, many = model_size(tmp_path / "one"), model_size(tmp_path / "many")
    assert one.pop("file_bytes") < many.pop("file_bytes")
    assert one == many


def test_no_weights(tmp_path):
    with pytest.raises(UserError, match=r"holds no \*.safetensors"):
        model_size(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff" * 64, (9).to_bytes(8, "little") + b"not json!", b"\x02" + b"\0" * 7 + b"{"],
)
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"model.safetensors is not a safetensors file"):
        model_size(tmp_path)


def test_a_header_of_another_shape_is_no_model(tmp_path):
    text = json.dumps({"a": 1}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(UserError, match="not a safetensors file"):
        model_size(tmp_path)
