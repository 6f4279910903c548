"""Checked splits on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.validate import REPORT, write_splits


def frame(*texts: str, label: int | None = None) -> pd.DataFrame:
    labels = [i % 2 if label is None else label for i in range(len(texts))]
    return pd.DataFrame({"sentence": list(texts), "label": labels, "idx": range(len(texts))})


@pytest.fixture
def good() -> dict[str, pd.DataFrame]:
    return {
        "train": frame("one film", "two films", "NA", 'a "quoted" line'),
        "dev": frame("another film", "one more"),
        "test": frame("hidden", "hidden too", label=-1),
    }


def test_each_split_is_a_file_as_it_was(
    good: dict[str, pd.DataFrame], mood: Task, tmp_path: Path
) -> None:
    write_splits(good, mood.to_dict(), 0.0, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "train.parquet",
        "dev.parquet",
        "test.parquet",
        "report.json",
    }
    for name, wanted in good.items():
        found = pd.read_parquet(tmp_path / f"{name}.parquet")
        assert found["sentence"].tolist() == wanted["sentence"].tolist()
        assert found["label"].tolist() == wanted["label"].tolist()
        assert found["idx"].tolist() == wanted["idx"].tolist()


def test_the_report_counts_what_is_there(
    good: dict[str, pd.DataFrame], mood: Task, tmp_path: Path
) -> None:
    write_splits(good, mood.to_dict(), 0.0, tmp_path)
    report = read_json(tmp_path / REPORT)
    assert report["task"] == "mood"
    assert report["splits"]["train"]["rows"] == 4
    assert report["splits"]["test"]["rows"] == 2
    assert json.loads(json.dumps(report)) == report


def test_bytes_do_not_depend_on_where_the_rows_came_from(
    good: dict[str, pd.DataFrame], mood: Task, tmp_path: Path
) -> None:
    moved = {name: part.copy() for name, part in good.items()}
    for part in moved.values():
        part.index = part.index + 1000
        part.attrs = {"file": "/home/somebody/train.tsv"}
    for name, frames in (("one", good), ("two", moved)):
        (tmp_path / name).mkdir()
        write_splits(frames, mood.to_dict(), 0.0, tmp_path / name)
    for file in ("train.parquet", "dev.parquet", "test.parquet"):
        one, two = ((tmp_path / name / file).read_bytes() for name in ("one", "two"))
        assert one == two
        assert b"somebody" not in two


def test_the_given_frames_are_left_alone(
    good: dict[str, pd.DataFrame], mood: Task, tmp_path: Path
) -> None:
    good["train"].attrs = {"file": "train.tsv"}
    write_splits(good, mood.to_dict(), 0.0, tmp_path)
    assert good["train"].attrs == {"file": "train.tsv"}


def test_a_faulty_split_writes_nothing(
    good: dict[str, pd.DataFrame], mood: Task, tmp_path: Path
) -> None:
    good["dev"].loc[0, "label"] = 7
    good["train"].loc[1, "sentence"] = "  "
    with pytest.raises(UserError) as caught:
        write_splits(good, mood.to_dict(), 0.0, tmp_path)
    assert "dev" in str(caught.value)
    assert "train" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("most", "fine"), [(0.5, True), (0.4, False)])
def test_rows_of_train_in_dev_are_allowed_up_to_a_share(
    good: dict[str, pd.DataFrame], mood: Task, tmp_path: Path, most: float, fine: bool
) -> None:
    good["dev"].loc[0, "sentence"] = "One  FILM"
    if fine:
        write_splits(good, mood.to_dict(), most, tmp_path)
        return
    with pytest.raises(UserError, match=r"task\.max_overlap"):
        write_splits(good, mood.to_dict(), most, tmp_path)
