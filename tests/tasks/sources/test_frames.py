import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.frames import (
    read_label_columns,
    split_frame,
    wanted_columns,
    without_broken_rows,
)
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.validate import DataErrors, check_splits


def raw(**cells: list[Any]) -> RawTable:
    count = len(next(iter(cells.values())))
    return RawTable("data.tsv", tuple(cells), cells, range(2, count + 2), "line")


def build(task: Task, split: str, columns: dict[str, str], **cells: list[Any]) -> pd.DataFrame:
    frame = split_frame(raw(**cells), task, split, wanted_columns(task, columns))
    return read_label_columns({split: frame}, task, minus_one_hides=False)[split]


def test_exact_columns_and_types(mood: Task) -> None:
    found = build(mood, "train", {}, sentence=["NA", "b"], label=["1", 0], idx=["7", 3])
    assert found.columns.tolist() == ["sentence", "label", "idx"]
    assert [str(kind) for kind in found.dtypes] == ["str", "int64", "int64"]
    assert found.to_dict("list") == {"sentence": ["NA", "b"], "label": [1, 0], "idx": [7, 3]}
    assert found.index.tolist() == [2, 3]
    assert found.index.name == "line"
    assert found.attrs["file"] == "data.tsv"


def test_regression_labels_are_float64(likeness: Task) -> None:
    found = build(likeness, "dev", {}, first=["a"], second=["b"], label=["3"])
    assert found["label"].dtype == np.float64
    assert found["label"].tolist() == [3.0]


def test_their_names_become_ours(mood: Task) -> None:
    names = {"sentence": "text", "label": "stars", "idx": "id"}
    found = build(mood, "train", names, text=["a"], stars=[1], id=[5])
    assert found.to_dict("list") == {"sentence": ["a"], "label": [1], "idx": [5]}


def test_rows_without_numbers_are_counted_from_0(mood: Task) -> None:
    assert build(mood, "train", {}, sentence=["a", "b"], label=[0, 1])["idx"].tolist() == [0, 1]


def test_test_splits_may_lack_labels(mood: Task, likeness: Task) -> None:
    assert build(mood, "test", {}, sentence=["a"])["label"].tolist() == [-1]
    found = build(likeness, "test", {}, first=["a"], second=["b"])["label"]
    assert found.tolist() == [-1.0]
    assert found.dtype == np.float64


def test_missing_column_is_refused_with_a_suggestion(mood: Task) -> None:
    with pytest.raises(UserError) as caught:
        build(mood, "train", {}, sentense=["a"], label=[0])
    assert str(caught.value) == (
        "data.tsv has no column 'sentence' (did you mean 'sentense'?); it has sentense, label;"
        " name the right one in task.columns.sentence"
    )


def test_missing_label_column_is_refused_in_train(mood: Task) -> None:
    with pytest.raises(UserError, match=r"no column 'label'.*task.columns.label"):
        build(mood, "train", {}, sentence=["a"])


def test_an_idx_named_by_the_user_must_exist(mood: Task) -> None:
    with pytest.raises(UserError, match="no column 'id'"):
        build(mood, "test", {"idx": "id"}, sentence=["a"], label=[0])


def test_a_label_named_by_the_user_may_be_missing_in_test_splits(mood: Task) -> None:
    assert build(mood, "test", {"label": "stars"}, sentence=["a"])["label"].tolist() == [-1]
    with pytest.raises(UserError, match="no column 'stars'"):
        build(mood, "dev", {"label": "stars"}, sentence=["a"])


def test_mapping_an_unknown_column_is_refused(mood: Task) -> None:
    with pytest.raises(UserError, match=r"maps 'text'.*it may map sentence, label, idx"):
        wanted_columns(mood, {"text": "sentence"})


def test_several_labels_are_refused_by_row(mood: Task) -> None:
    with pytest.raises(UserError, match=r"data.tsv, line 3: the label 'negative\|positive' holds"):
        build(mood, "train", {}, sentence=["a", "b"], label=[0, "negative|positive"])


def test_unreadable_cells_stay_as_they_were(mood: Task) -> None:
    found = build(
        mood,
        "train",
        {"idx": "id"},
        sentence=["a", "b\udcff", 3, None],
        label=[0, 1, None, 0],
        id=["a", 1, 2, 3],
    )
    assert found["sentence"].tolist() == ["a", "b\udcff", 3, None]
    assert found["label"].tolist() == [0, 1, None, 0]
    assert found["idx"].tolist() == ["a", 1, 2, 3]


def test_lists_and_objects_are_no_row_numbers(mood: Task) -> None:
    found = build(
        mood,
        "train",
        {"idx": "id"},
        sentence=["a", "b", "c"],
        label=[0, 1, 0],
        id=[[1], {}, "9" * 5000],
    )
    assert found["idx"].tolist() == ["[1]", "{}", "9" * 5000]


@pytest.mark.parametrize(
    "idx", [["a", 1], [1, 1], [None, 1], [[1], 2], [0.5, 1], [2**63, 1], ["1", 1], [1.0, "1"]]
)
def test_an_idx_that_nobody_meant_is_ignored(
    mood: Task, caplog: pytest.LogCaptureFixture, idx: list[Any]
) -> None:
    with caplog.at_level(logging.WARNING):
        found = build(mood, "train", {}, sentence=["a", "b"], label=[0, 1], idx=idx)
    assert found["idx"].tolist() == [0, 1]
    assert "data.tsv: the column idx does not number the rows" in caplog.text
    named = build(mood, "train", {"idx": "id"}, sentence=["a", "b"], label=[0, 1], id=idx)
    assert "rows are numbered from 0" in caplog.text
    with pytest.raises(DataErrors, match="idx"):
        check_splits({"train": named}, mood, 0.0)


def test_broken_rows_are_left_out_and_counted(pair: Task, caplog: pytest.LogCaptureFixture) -> None:
    frame = build(
        pair, "train", {}, first=["a", " ", "c"], second=["x", "y", None], label=[0, 1, 0]
    )
    with caplog.at_level(logging.WARNING):
        kept = without_broken_rows(frame, pair, "train")
    assert kept["idx"].tolist() == [0]
    assert "pair, train: 2 published rows lack a text and are left out (line 3, line 4)" in (
        caplog.text
    )
    assert len(without_broken_rows(frame, pair, "test")) == 3
