from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import encode_folder, load_tokenizer
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.tasks.sources.demo import TASK

TEXTS = ["the film was good .", "the film was very very very bad .", "good"]


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    folder = tmp_path / "splits"
    folder.mkdir()
    for name, count in (("train", 3), ("dev", 1)):
        frame = pd.DataFrame(
            {"sentence": TEXTS[:count], "label": [1, 0, 1][:count], "idx": range(5, 5 + count)}
        )
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "report.json").write_text("{}")
    return folder


def test_every_split_becomes_token_ids(splits: Path, tmp_path: Path) -> None:
    encode_folder(splits, TASK.to_dict(), DEMO_FOLDER, 64, tmp_path / "out")
    train = read_encoded(tmp_path / "out", "train")
    tokenizer = load_tokenizer(DEMO_FOLDER)
    for row, text in enumerate(TEXTS):
        ids = train.input_ids[train.offsets[row] : train.offsets[row + 1]].tolist()
        assert ids == tokenizer(text)["input_ids"]
    assert train.labels.tolist() == [1, 0, 1]
    assert train.idx.tolist() == [5, 6, 7]
    assert len(read_encoded(tmp_path / "out", "dev")) == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "train.arrow",
        "dev.arrow",
        "report.json",
    }


def test_the_report_counts_rows_that_were_cut(splits: Path, tmp_path: Path) -> None:
    encode_folder(splits, TASK.to_dict(), DEMO_FOLDER, 8, tmp_path / "out")
    report = read_json(tmp_path / "out" / "report.json")
    assert report["train"]["rows"] == 3
    assert report["train"]["cut_rows"] == 1
    assert report["train"]["max_length"] == 8
    assert report["dev"]["cut_rows"] == 0


def test_a_task_read_back_from_json_is_the_same_task(splits: Path, tmp_path: Path) -> None:
    encode_folder(splits, TASK.to_dict(), DEMO_FOLDER, 64, tmp_path / "one")
    task = json.loads(json.dumps(TASK.to_dict()))
    encode_folder(splits, task, DEMO_FOLDER, 64, tmp_path / "two")
    name = "train.arrow"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_folder_without_a_tokenizer_is_refused(splits: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        encode_folder(splits, TASK.to_dict(), tmp_path / "nowhere", 64, tmp_path / "out")


def test_a_limit_that_leaves_no_room_is_refused(splits: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leaves no room for text"):
        encode_folder(splits, TASK.to_dict(), DEMO_FOLDER, 2, tmp_path / "out")


def no_unknown_word(definition: dict[str, Any]) -> None:
    definition["model"]["unk_token"] = "[NONE]"
    definition["model"]["vocab"].pop("good")


def a_large_id(definition: dict[str, Any]) -> None:
    definition["model"]["vocab"]["good"] = 4_000_000_000


def a_large_type(definition: dict[str, Any]) -> None:
    for part in definition["post_processor"]["single"]:
        next(iter(part.values()))["type_id"] = 300


@pytest.mark.parametrize("spoil", [no_unknown_word, a_large_id, a_large_type])
def test_a_tokenizer_that_cannot_encode_is_one_line(
    splits: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], None]
) -> None:
    model = tmp_path / "model"
    shutil.copytree(DEMO_FOLDER, model)
    definition = read_json(model / "tokenizer.json")
    spoil(definition)
    (model / "tokenizer.json").write_text(json.dumps(definition))
    with pytest.raises(UserError, match="cannot encode the rows") as caught:
        encode_folder(splits, TASK.to_dict(), model, 64, tmp_path / "out")
    assert str(model) in str(caught.value)
    assert "\n" not in str(caught.value)
