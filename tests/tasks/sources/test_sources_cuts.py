from __future__ import annotations

import logging
from dataclasses import replace

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import finish
from alpkd_pipeline.tasks.task import SourceSpec, Task, TrainRowsBy

SPEC = SourceSpec("table", dev_fraction=0.25)


def frame(rows: int, start: int = 0) -> pd.DataFrame:
    numbers = range(start, start + rows)
    return pd.DataFrame(
        {
            "sentence": [f"row {i}" for i in numbers],
            "label": [i % 2 for i in numbers],
            "idx": list(numbers),
        }
    )


def test_splits_come_in_a_fixed_order_and_others_are_dropped(mood: Task) -> None:
    two = replace(mood, dev_splits=("dev", "dev_hard"))
    given = {name: frame(4) for name in ("test", "notes", "dev_hard", "train", "dev")}
    assert list(finish(given, SPEC, two)) == ["train", "dev", "dev_hard", "test"]


def test_a_missing_dev_split_is_cut_from_train(
    mood: Task, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        found = finish({"train": frame(40)}, SPEC, mood)
    assert {name: len(part) for name, part in found.items()} == {"train": 30, "dev": 10}
    assert sorted([*found["train"]["idx"], *found["dev"]["idx"]]) == list(range(40))
    assert "mood has no dev split: 10 of 40 train rows become dev (seed 0)" in caplog.text


def test_a_dev_split_that_is_there_is_kept(mood: Task, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        found = finish({"train": frame(8), "dev": frame(2, start=90)}, SPEC, mood)
    assert found["dev"]["idx"].tolist() == [90, 91]
    assert len(found["train"]) == 8
    assert not caplog.records


def test_train_is_cut_to_its_first_rows_and_dev_is_not(mood: Task) -> None:
    given = {"train": frame(8), "dev": frame(5)}
    found = finish(given, replace(SPEC, train_rows=3), mood)
    assert found["train"]["idx"].tolist() == [0, 1, 2]
    assert len(found["dev"]) == 5


@pytest.mark.parametrize("by", ["first", "stratified"])
def test_dev_is_cut_from_the_rows_that_are_kept(mood: Task, by: TrainRowsBy) -> None:
    found = finish({"train": frame(4000)}, replace(SPEC, train_rows=400, train_rows_by=by), mood)
    assert {name: len(part) for name, part in found.items()} == {"train": 300, "dev": 100}
    assert not set(found["train"]["idx"]) & set(found["dev"]["idx"])
    for part in found.values():
        assert part["label"].value_counts().to_dict() == {0: len(part) / 2, 1: len(part) / 2}


def sorted_file(rows: int = 20) -> pd.DataFrame:
    return frame(rows).assign(label=[0] * (rows // 2) + [1] * (rows // 2))


def test_the_first_rows_of_a_sorted_file_are_refused(mood: Task) -> None:
    given = {"train": sorted_file(), "dev": frame(4, start=90)}
    with pytest.raises(UserError) as caught:
        finish(given, replace(SPEC, train_rows=10), mood)
    assert str(caught.value) == (
        "task.train_rows: the first 10 of 20 train rows of task 'mood' have none of the class"
        " positive, as in a sorted file; set task.train_rows_by=stratified, which draws rows of"
        " every class"
    )
    drawn = finish(given, replace(SPEC, train_rows=10, train_rows_by="stratified"), mood)
    assert drawn["train"]["label"].tolist() == [0] * 5 + [1] * 5
    assert finish(given, replace(SPEC, train_rows=11), mood)["train"]["label"].sum() == 1


def test_fewer_rows_than_asked_for_are_said(mood: Task, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "alpkd_pipeline"):
        found = finish({"train": frame(8), "dev": frame(2)}, replace(SPEC, train_rows=9), mood)
    assert len(found["train"]) == 8
    assert "8 train rows, fewer than train_rows 9" in caplog.text


def test_what_is_given_is_left_alone(mood: Task) -> None:
    given = {"train": frame(40)}
    finish(given, replace(SPEC, train_rows=3), mood)
    assert list(given) == ["train"]
    assert len(given["train"]) == 40
