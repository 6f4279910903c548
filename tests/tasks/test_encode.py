import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.encode import (
    ROWS_AT_ONCE,
    EncodedSplit,
    encode_split,
    encode_splits,
    read_encoded,
    write_encoded,
)
from alpkd_pipeline.tasks.task import Task

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]
"""Token ids: [CLS] 2, [SEP] 3, a 4, b 5, c 6, ..."""


def tokenizer(types: bool = True, limit: int = 64) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_max_length=limit,
        model_input_names=names if types else [names[0], names[2]],
    )


@pytest.fixture
def pairs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "first": ["a b c", "a", "a b c d e f"],
            "second": ["d", "NA", "g h"],
            "label": [1, 0, 1],
            "idx": [5, 9, 7],
        }
    )


def test_pairs_worked_out_by_hand(pair: Task, pairs: pd.DataFrame) -> None:
    found = encode_split(pairs, pair, tokenizer(), max_length=9)
    assert found.offsets.tolist() == [0, 7, 12, 21]
    assert found.input_ids[:7].tolist() == [2, 4, 5, 6, 3, 7, 3]
    assert found.input_ids[7:12].tolist() == [2, 4, 3, 1, 3]
    assert found.token_type_ids is not None
    assert found.token_type_ids[:7].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found.labels.tolist() == [1, 0, 1]
    assert found.idx.tolist() == [5, 9, 7]
    assert found.lengths.tolist() == [7, 5, 9]
    assert len(found) == 3


def test_longest_text_is_cut_first_and_counted(pair: Task, pairs: pd.DataFrame) -> None:
    found = encode_split(pairs, pair, tokenizer(), max_length=9)
    assert found.cut_rows == 1
    assert found.input_ids[12:].tolist() == [2, 4, 5, 6, 7, 3, 10, 11, 3]
    assert encode_split(pairs, pair, tokenizer(), max_length=11).cut_rows == 0
    assert encode_split(pairs, pair, tokenizer(), max_length=6).cut_rows == 2


def test_types_of_arrays(pair: Task, pairs: pd.DataFrame) -> None:
    found = encode_split(pairs, pair, tokenizer(), max_length=9)
    assert found.token_type_ids is not None
    kinds = [found.offsets, found.input_ids, found.token_type_ids, found.labels, found.idx]
    assert [str(array.dtype) for array in kinds] == ["int64", "int32", "int8", "int64", "int64"]


def test_tokenizer_without_token_types(pair: Task, pairs: pd.DataFrame, tmp_path: Path) -> None:
    found = encode_split(pairs, pair, tokenizer(types=False), max_length=9)
    assert found.token_type_ids is None
    write_encoded(tmp_path, "train", found)
    assert read_encoded(tmp_path, "train").token_type_ids is None


def test_more_rows_than_go_to_the_tokenizer_at_once(mood: Task) -> None:
    count = ROWS_AT_ONCE + 3
    frame = pd.DataFrame({"sentence": ["a"] * count, "label": 0, "idx": range(count)})
    frame.loc[ROWS_AT_ONCE, "sentence"] = "b c"
    found = encode_split(frame, mood, tokenizer(), max_length=8)
    assert len(found) == count
    start = found.offsets[ROWS_AT_ONCE]
    assert found.input_ids[start : start + 4].tolist() == [2, 5, 6, 3]


def same(one: EncodedSplit, other: EncodedSplit) -> bool:
    names = ("offsets", "input_ids", "token_type_ids", "labels", "idx")
    return (one.max_length, one.cut_rows) == (other.max_length, other.cut_rows) and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        and getattr(one, name).dtype == getattr(other, name).dtype
        for name in names
    )


def test_what_is_written_is_read(pair: Task, pairs: pd.DataFrame, tmp_path: Path) -> None:
    written = encode_split(pairs, pair, tokenizer(), max_length=9)
    write_encoded(tmp_path / "new", "dev", written)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["dev.arrow"]
    assert same(read_encoded(tmp_path / "new", "dev"), written)


def test_regression_labels_stay_float64(
    likeness: Task, pairs: pd.DataFrame, tmp_path: Path
) -> None:
    frame = pairs.assign(label=[0.1, np.nan, -1.0])
    write_encoded(tmp_path, "test", encode_split(frame, likeness, tokenizer(), 16))
    labels = read_encoded(tmp_path, "test").labels
    assert labels.dtype == np.float64
    np.testing.assert_array_equal(labels, [0.1, np.nan, -1.0])


def test_reading_copies_nothing(pair: Task, pairs: pd.DataFrame, tmp_path: Path) -> None:
    big = pd.concat([pairs] * 2000, ignore_index=True)
    write_encoded(tmp_path, "train", encode_split(big, pair, tokenizer(), 16))
    before = pa.total_allocated_bytes()
    found = read_encoded(tmp_path, "train")
    assert pa.total_allocated_bytes() - before < 10_000
    assert not found.input_ids.flags.writeable
    assert not found.input_ids.flags.owndata


def test_file_is_plain_arrow(pair: Task, pairs: pd.DataFrame, tmp_path: Path) -> None:
    write_encoded(tmp_path, "train", encode_split(pairs, pair, tokenizer(), 9))
    table = pa.ipc.open_file(tmp_path / "train.arrow").read_all()
    assert {field.name: str(field.type) for field in table.schema} == {
        "input_ids": "large_list<item: int32>",
        "token_type_ids": "large_list<item: int8>",
        "label": "int64",
        "idx": "int64",
    }
    assert table.schema.metadata == {b"max_length": b"9", b"cut_rows": b"1"}
    assert table["input_ids"].to_pylist()[1] == [2, 4, 3, 1, 3]


def test_report_and_log(
    pair: Task, pairs: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    splits = {"train": pairs, "dev": pairs.head(2)}
    with caplog.at_level(logging.WARNING):
        report = encode_splits(splits, pair, tokenizer(), 9, tmp_path)
    assert report["train"] == {
        "rows": 3,
        "tokens": 21,
        "cut_rows": 1,
        "mean_length": 7.0,
        "max_length": 9,
    }
    assert json.loads(json.dumps(report)) == report
    assert [record.getMessage() for record in caplog.records] == [
        "pair, train: 1 of 3 rows are longer than max_length 9 and lost their end"
    ]
    assert len(read_encoded(tmp_path, "dev")) == 2


def test_no_rows(mood: Task, tmp_path: Path) -> None:
    frame = pd.DataFrame({"sentence": ["a"], "label": [0], "idx": [0]}).head(0)
    report = encode_splits({"train": frame}, mood, tokenizer(), 8, tmp_path)
    assert report["train"]["rows"] == report["train"]["max_length"] == 0
    assert len(read_encoded(tmp_path, "train")) == 0


@pytest.mark.parametrize(
    ("max_length", "message"),
    [(3, "3 leaves no room for text: 3 tokens are special"), (65, "65 is more than the 64 tokens")],
)
def test_impossible_limits(pair: Task, pairs: pd.DataFrame, max_length: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        encode_split(pairs, pair, tokenizer(), max_length)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.arrow does not exist"):
        read_encoded(tmp_path, "train")


@pytest.mark.parametrize("keep", [0, 20, 300])
def test_cut_short_file(pair: Task, pairs: pd.DataFrame, tmp_path: Path, keep: int) -> None:
    write_encoded(tmp_path, "train", encode_split(pairs, pair, tokenizer(), 9))
    path = tmp_path / "train.arrow"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="is not an encoded split") as caught:
        read_encoded(tmp_path, "train")
    assert "\n" not in str(caught.value)


def test_other_arrow_file(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({"x": [1]})
    with pa.ipc.new_file(str(tmp_path / "train.arrow"), batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(UserError, match="is not an encoded split"):
        read_encoded(tmp_path, "train")


def test_reading_needs_numpy_and_pyarrow_only(
    pair: Task, pairs: pd.DataFrame, tmp_path: Path
) -> None:
    write_encoded(tmp_path, "train", encode_split(pairs, pair, tokenizer(), 9))
    code = f"""
import sys
from pathlib import Path
from alpkd_pipeline.tasks.encode import read_encoded
assert len(read_encoded(Path({str(tmp_path)!r}), "train").lengths) == 3
heavy = {{"pandas", "torch", "datasets", "transformers"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_metric_choice_does_not_matter(pair: Task, pairs: pd.DataFrame) -> None:
    other = replace(pair, metrics=("f1",))
    assert same(
        encode_split(pairs, pair, tokenizer(), 9), encode_split(pairs, other, tokenizer(), 9)
    )
