"""A pickle that leaves a marker when it is opened, in every place a loader might look."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alpkd_pipeline.distillation.cache import CachedSignals
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_classifier, load_finetuned, load_tokenizer
from alpkd_pipeline.models.model_files import tensor_shapes
from alpkd_pipeline.models.source import ModelRef, locate, model_digest
from alpkd_pipeline.models.tokenizer_identity import tokenizer_digest
from alpkd_pipeline.tasks.sources.raw import read_table
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.checkpoint import TENSORS, read_tensors

Save = Callable[..., Path]


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "the-pickle-was-opened"


@pytest.fixture
def bomb(marker: Path) -> bytes:
    return pickle.dumps({"classifier.weight": Bomb(marker)})


def as_archive(path: Path, data: bytes) -> None:
    """The form in which torch.save writes today."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3")


def try_everything(folder: Path, task: Task) -> list[str]:
    """Every way this package opens a model folder; the refusals, in order."""
    ref = ModelRef(str(folder))
    ways: list[Callable[[], Any]] = [
        lambda: locate(ref, folder.parent, download=True),
        lambda: model_digest(ref, folder.parent),
        lambda: tokenizer_digest(folder),
        lambda: tensor_shapes(folder),
        lambda: load_tokenizer(folder),
        lambda: load_finetuned(folder),
        lambda: load_classifier(folder, task, 0),
    ]
    refused = []
    for way in ways:
        try:
            way()
        except UserError as error:
            refused.append(str(error))
    return refused


def test_the_bomb_works(bomb: bytes, marker: Path) -> None:
    pickle.loads(bomb)
    assert marker.exists()


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.safetensors", "pytorch_model.bin.index.json"]
)
def test_weights_that_are_a_pickle(
    make_model: Any,
    save_folder: Save,
    nli: Task,
    bomb: bytes,
    marker: Path,
    name: str,
    archive: bool,
) -> None:
    folder = save_folder(make_model("bert"))
    (folder / "model.safetensors").unlink()
    as_archive(folder / name, bomb) if archive else (folder / name).write_bytes(bomb)
    refused = try_everything(folder, nli)
    assert not marker.exists()
    assert any("safetensors" in text for text in refused)
    assert len(refused) >= 3


def test_shards_that_are_pickles(
    make_model: Any, save_folder: Save, nli: Task, bomb: bytes, marker: Path
) -> None:
    folder = save_folder(make_model("bert"))
    (folder / "model.safetensors").unlink()
    (folder / "part.bin").write_bytes(bomb)
    index = {"metadata": {}, "weight_map": {"classifier.weight": "part.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused = try_everything(folder, nli)
    assert not marker.exists()
    assert len(refused) == 6


def test_pickles_beside_good_weights_are_not_touched(
    make_model: Any, save_folder: Save, nli: Task, bomb: bytes, marker: Path
) -> None:
    folder = save_folder(make_model("bert"))
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "vocab.bin", "x.pkl"):
        (folder / name).write_bytes(bomb)
    assert try_everything(folder, nli) == []
    assert not marker.exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_python_beside_the_weights_is_not_run(
    make_model: Any, save_folder: Save, nli: Task, marker: Path, name: str
) -> None:
    folder = save_folder(make_model("bert"))
    (folder / "modeling_evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil: pass\n")
    values = json.loads((folder / name).read_text())
    parts = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification", "AutoTokenizer")
    values["auto_map"] = dict.fromkeys(parts, "modeling_evil.Evil")
    (folder / name).write_text(json.dumps(values))
    refused = try_everything(folder, nli)
    assert not marker.exists()
    assert sum("auto_map" in text for text in refused) == 5


@pytest.mark.parametrize("form", ["an array of objects", "a bare pickle", "an archive"])
def test_signals_that_are_a_pickle(tmp_path: Path, bomb: bytes, marker: Path, form: str) -> None:
    path = tmp_path / "train.logits.npy"
    if form == "an array of objects":
        np.save(path, np.array([Bomb(marker)], dtype=object), allow_pickle=True)
    else:
        as_archive(path, bomb) if form == "an archive" else path.write_bytes(bomb)
    with pytest.raises((UserError, AttributeError)):
        len(CachedSignals(tmp_path, "train", torch.device("cpu"), layers=False))
    assert not marker.exists()


@pytest.mark.parametrize("archive", [True, False])
def test_a_checkpoint_that_is_a_pickle(
    tmp_path: Path, bomb: bytes, marker: Path, archive: bool
) -> None:
    path = tmp_path / TENSORS
    as_archive(path, bomb) if archive else path.write_bytes(bomb)
    model = torch.nn.Linear(1, 1)
    optimiser = torch.optim.AdamW(model.parameters())
    with pytest.raises(Exception, match=r"(?i)header|safetensor|deserializ"):
        read_tensors(tmp_path, model, list(model.parameters()), optimiser)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "pkl", "pickle"])
def test_a_table_that_is_a_pickle(tmp_path: Path, bomb: bytes, marker: Path, suffix: str) -> None:
    path = tmp_path / f"train.{suffix}"
    path.write_bytes(bomb)
    try:
        read_table(path, ["text"])
    except UserError:
        pass
    else:
        assert suffix in ("csv", "tsv"), "bytes are a table of odd words at most"
    assert not marker.exists()
