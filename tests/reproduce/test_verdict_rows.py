from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.reproduce.conftest import write_run

from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.verdict import changed_rows, compare_data, data_digests
from alpkd_pipeline.store.manifest import seal
from alpkd_pipeline.tasks.encode import EncodedSplit, write_encoded

SENTENCES = ["a b", "c", "d e f", "g"]


def frame(sentences: list[str] = SENTENCES, labels: list[int] | None = None) -> pd.DataFrame:
    numbers = list(range(len(sentences)))
    labels = labels or [number % 2 for number in numbers]
    return pd.DataFrame({"sentence": sentences, "label": labels, "idx": numbers})


def stored(store: Path, train: pd.DataFrame, *, recorded: bool = True) -> StoredRun:
    """A run with its splits, encoded as the length of each word."""
    key = "5" * 64
    splits = store / "02_intermediate/splits/mrpc/table-55555555"
    encoded = store / "05_model_input/encoded/mrpc/demo-64t-eeeeeeee"
    for folder in (splits, encoded):
        folder.mkdir(parents=True)
    train.to_parquet(splits / "train.parquet", index=False)
    seal(splits, {"key": key})
    ids = [[len(word) for word in text.split()] for text in train["sentence"]]
    rows = EncodedSplit(
        offsets=np.cumsum([0, *map(len, ids)], dtype=np.int64),
        input_ids=np.concatenate([np.array(row, dtype=np.int32) for row in ids]),
        token_type_ids=None,
        labels=train["label"].to_numpy(),
        idx=train["idx"].to_numpy(),
        max_length=64,
        cut_rows=0,
    )
    write_encoded(encoded, "train", rows)
    digest = seal(encoded, {"key": "e" * 64})["files"]["train.arrow"]["sha256"]
    run: dict[str, Any] = {
        "inputs": {"encoded": "../../../../05_model_input/encoded/mrpc/demo-64t-eeeeeeee"},
        "identity": {"key": "1" * 64, "keys": {"splits": key}},
    }
    if recorded:
        run["data"] = {"train": digest}
    return write_run(store, run=run)


@pytest.mark.parametrize("recorded", [True, False])
def test_the_same_rows(tmp_path: Path, recorded: bool) -> None:
    then = stored(tmp_path / "then", frame(), recorded=recorded)
    found = compare_data(then, stored(tmp_path / "now", frame()))
    assert found.same


def test_one_label_of_one_row(tmp_path: Path) -> None:
    then = stored(tmp_path / "then", frame())
    found = compare_data(then, stored(tmp_path / "now", frame(labels=[1, 1, 0, 1])))
    assert not found.same
    assert [str(change) for change in found.changes] == ["train: 1 of 4 rows"]


def test_a_row_more(tmp_path: Path) -> None:
    then = stored(tmp_path / "then", frame())
    found = compare_data(then, stored(tmp_path / "now", frame([*SENTENCES, "h i"])))
    assert [str(change) for change in found.changes] == ["train: 1 of 4, now 5 rows"]


def test_rows_that_are_gone_are_known_by_their_hash(tmp_path: Path) -> None:
    then = stored(tmp_path / "then", frame())
    now = stored(tmp_path / "now", frame(labels=[1, 1, 0, 1]))
    (then.store / "02_intermediate/splits/mrpc/table-55555555/train.parquet").unlink()
    assert [str(change) for change in compare_data(then, now).changes] == ["train: other contents"]


def test_other_bytes_with_the_same_rows_are_the_same(tmp_path: Path) -> None:
    then, now = (stored(tmp_path / name, frame()) for name in ("then", "now"))
    folder = now.path / now.run["inputs"]["encoded"]
    rows = pa.ipc.open_file((folder / "train.arrow").read_bytes()).read_all()
    # As another version of the library might write them.
    packed = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(folder / "train.arrow", rows.schema, options=packed) as writer:
        writer.write_table(rows, max_chunksize=3)
    now.run["data"]["train"] = seal(folder, {})["files"]["train.arrow"]["sha256"]
    assert now.run["data"] != then.run["data"]
    assert compare_data(then, now).same


def test_a_run_that_tells_nothing(tmp_path: Path) -> None:
    now = stored(tmp_path / "now", frame())
    found = compare_data(write_run(tmp_path / "then"), now)
    assert not found.known
    assert not found.same
    assert data_digests(now)


def test_rows_count_wherever_they_stand() -> None:
    assert changed_rows(frame(), frame().iloc[::-1].assign(idx=range(4))) == 0
    assert changed_rows(frame(), frame(["a b", "c", "x", "y"])) == 2
