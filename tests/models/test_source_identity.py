from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save
from tests.models.folders import CONFIG, bert_tensors, bert_weights

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.source import ModelRef, model_digest, verify_weights

COMMIT = "0123456789abcdef0123456789abcdef01234567"


WEIGHTS, OTHERS = bert_weights(), bert_weights(value=1.0)


def make_folder(folder: Path, weights: bytes = WEIGHTS) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "tokenizer.json").write_text("{}")
    return folder


def digest(name: str, project: Path) -> dict[str, Any]:
    return model_digest(ModelRef(name), project, project / "cache.json")


def test_a_folder_is_its_bytes(tmp_path: Path) -> None:
    make_folder(tmp_path / "a")
    assert digest("./a", tmp_path) == {
        "files": {
            "config.json": hashlib.sha256(json.dumps(CONFIG).encode()).hexdigest(),
            "model.safetensors": hashlib.sha256(WEIGHTS).hexdigest(),
        }
    }


def test_a_moved_folder_is_the_same_and_a_changed_one_is_not(tmp_path: Path) -> None:
    make_folder(tmp_path / "a")
    before = digest("./a", tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest("./b", tmp_path) == before
    (tmp_path / "b" / "model.safetensors").write_bytes(OTHERS)
    changed = digest("./b", tmp_path)
    assert changed != before
    (tmp_path / "b" / "config.json").write_text(json.dumps(CONFIG | {"hidden_act": "relu"}))
    assert digest("./b", tmp_path)["files"]["config.json"] != changed["files"]["config.json"]


def test_a_hub_model_is_its_commit_before_and_after_the_download(tmp_path: Path) -> None:
    ref = ModelRef("org/name", COMMIT)
    assert model_digest(ref, tmp_path) == {"hub": "org/name", "revision": COMMIT}


def test_a_hub_model_without_a_commit_has_no_identity(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="40 hex digits"):
        model_digest(ModelRef("org/name", "main"), tmp_path)


def test_a_missing_folder_has_no_identity(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        digest("./a", tmp_path)


def test_pinned_weights(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a")
    pinned = hashlib.sha256(WEIGHTS).hexdigest()
    verify_weights(folder, pinned)
    verify_weights(folder, pinned.upper())
    (folder / "model.safetensors").write_bytes(OTHERS)
    with pytest.raises(UserError, match="not the pinned " + pinned):
        verify_weights(folder, pinned)


def test_weights_in_several_files_cannot_be_pinned_by_one_hash(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="0 weight files"):
        verify_weights(folder, "0" * 64)


def test_every_file_of_weights_in_several_counts(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a")
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    tensors = bert_tensors()
    shards = {name: [*tensors][number::2] for number, name in enumerate(names)}
    index = {"weight_map": {tensor: name for name in names for tensor in shards[name]}}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    def write(name: str, value: float) -> None:
        (folder / name).write_bytes(save({t: tensors[t] + value for t in shards[name]}))

    for name in names:
        write(name, 0.0)
    before = digest("./a", tmp_path)["files"]
    assert set(before) == {"config.json", *names}
    write(names[1], 1.0)
    assert digest("./a", tmp_path)["files"][names[1]] != before[names[1]]
