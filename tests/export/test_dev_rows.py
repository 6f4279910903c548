from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tests.export.conftest import MAX_LENGTH, ROWS, MakeWorld

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.dev_rows import check_tokenizer, predictions_of, read_dev
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer


def test_the_rows_have_torch_s_logits_in_their_order(world: MakeWorld) -> None:
    made = world()
    dev = made.dev()
    assert dev.rows.names == [str(i) for i in range(ROWS)]
    assert len(dev.texts) == ROWS
    model, tokenizer = load_finetuned(made.model), load_tokenizer(made.model)
    for i in (0, 17, ROWS - 1):
        batch = tokenizer(
            *dev.texts[i], return_tensors="pt", truncation=True, max_length=MAX_LENGTH
        )
        with torch.no_grad():
            logits = model(**batch).logits[0].numpy()
        assert np.abs(logits - dev.rows.logits[i]).max() < 1e-5


def test_rows_that_train_has_are_known(world: MakeWorld, tmp_path: Path) -> None:
    made = world()
    splits = tmp_path / "splits"
    shutil.copytree(made.splits, splits)
    train, dev = (pd.read_parquet(splits / f"{name}.parquet") for name in ("train", "dev"))
    train.loc[0, ["one", "two"]] = [dev["one"][7].upper(), f" {dev['two'][7]}  "]
    train.to_parquet(splits / "train.parquet")
    before, after = (
        read_dev(made.config, made.model, made.encoded, where).unseen
        for where in (made.splits, splits)
    )
    assert before[7]
    assert not after[7]
    assert (before[after] == after[after]).all()


def test_several_dev_splits_are_told_apart(world: MakeWorld, tmp_path: Path) -> None:
    made = world()
    task = replace(made.task, dev_splits=("dev", "more"))
    for folder, end in ((made.splits, "parquet"), (made.encoded, "arrow")):
        shutil.copytree(folder, tmp_path / folder.name)
        shutil.copy(folder / f"dev.{end}", tmp_path / folder.name / f"more.{end}")
    run = replace(made.config, task=task)
    dev = read_dev(run, made.model, tmp_path / made.encoded.name, tmp_path / made.splits.name)
    assert len(dev.texts) == 2 * ROWS
    assert (dev.rows.names[0], dev.rows.names[ROWS]) == ("dev 0", "more 0")
    assert len([*dev.encoded()]) == 2 * ROWS


def test_the_digest_knows_texts_and_labels(world: MakeWorld, tmp_path: Path) -> None:
    made = world()
    shutil.copytree(made.splits, tmp_path / "splits")
    frame = pd.read_parquet(made.splits / "dev.parquet")
    frame.loc[3, "label"] = 1 - frame["label"][3]
    frame.to_parquet(tmp_path / "splits" / "dev.parquet")
    other = read_dev(made.config, made.model, made.encoded, tmp_path / "splits")
    assert made.dev().digest == made.dev().digest != other.digest


def test_a_folder_that_is_broken_is_one_line(world: MakeWorld, tmp_path: Path) -> None:
    made = world()
    folder = made.export(tmp_path / "export")
    (folder / "onnx" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match="does not answer as a published model") as caught:
        predictions_of(folder, "fp32", made.dev(), 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["input_ids", "attention_mask"], r"token_type_ids None instead of \[0, "),
        (["input_ids", "token_type_ids", "attention_mask"], ""),
    ],
)
def test_a_tokenizer_without_token_types_is_refused(
    world: MakeWorld, tmp_path: Path, names: list[str], words: str
) -> None:
    made = world()
    folder = made.export(tmp_path / "export")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_input_names": names}))
    if not words:
        return check_tokenizer(folder, made.dev(), MAX_LENGTH)
    with pytest.raises(UserError, match=words):
        check_tokenizer(folder, made.dev(), MAX_LENGTH)
    return None


def test_another_length_is_told(world: MakeWorld, tmp_path: Path) -> None:
    made = world("roberta", "three")
    folder = made.export(tmp_path / "export")
    with pytest.raises(UserError, match=r"input_ids \[2, .* instead of \[2, "):
        check_tokenizer(folder, made.dev(), 9)
