"""Rows that belong together: on one side of train and dev, cut or given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.task import GROUP, UNLABELLED, SourceSpec, Task
from alpkd_pipeline.tasks.validate import REPORT, DataErrors, write_splits


def rows(groups: list[object], start: int = 0) -> pd.DataFrame:
    """Texts of their own, labels in turn."""
    at = range(start, start + len(groups))
    labels = [("negative", "positive")[i % 2] for i in at]
    return pd.DataFrame({"sentence": [f"text {i}" for i in at], "label": labels, "who": groups})


def spec(folder: Path, train: pd.DataFrame, **more: pd.DataFrame) -> SourceSpec:
    for split, frame in {"train": train, **more}.items():
        frame.to_csv(folder / f"{split}.csv", index=False)
    files = {split: f"{split}.csv" for split in ("train", *more)}
    return SourceSpec("table", files=files, group_column="who", dev_fraction=0.2)


def test_whole_groups_become_dev(tmp_path: Path, mood: Task) -> None:
    groups: list[object] = [f"p{i // 4}" for i in range(40)]
    frames = load_splits(spec(tmp_path, rows(groups)), mood, tmp_path)
    train, dev = (set(frames[split][GROUP]) for split in ("train", "dev"))
    assert len(frames["dev"]) == 8  # a fifth, and two groups of four
    assert len(dev) == 2
    assert not train & dev
    again = load_splits(spec(tmp_path, rows(groups)), mood, tmp_path)
    assert again["dev"].equals(frames["dev"])
    other = load_splits(replace(spec(tmp_path, rows(groups)), seed=1), mood, tmp_path)
    assert set(other["dev"][GROUP]) != dev


def test_groups_that_share_a_text_move_together(tmp_path: Path, mood: Task) -> None:
    frame = rows([f"p{i // 2}" for i in range(40)])
    # p0 and p1 share a text, p1 and p2 too.
    frame.loc[[0, 2], "sentence"], frame.loc[[3, 4], "sentence"] = "one", "two"
    for seed in range(20):
        found = load_splits(replace(spec(tmp_path, frame), seed=seed), mood, tmp_path)
        assert len({"p0", "p1", "p2"} & set(found["dev"][GROUP])) in (0, 3)


def test_a_group_too_large_for_dev_stays(tmp_path: Path, mood: Task) -> None:
    frame = rows(["large"] * 30 + [f"p{i}" for i in range(10)])
    for seed in range(10):
        found = load_splits(replace(spec(tmp_path, frame), seed=seed), mood, tmp_path)
        assert "large" not in set(found["dev"][GROUP])
        assert len(found["dev"]) == 8


def test_train_keeps_every_class(tmp_path: Path, mood: Task) -> None:
    frame = rows(list(range(20)))
    frame["label"] = ["positive"] + ["negative"] * 19
    for seed in range(20):
        found = load_splits(replace(spec(tmp_path, frame), seed=seed), mood, tmp_path)
        assert set(found["train"]["label"]) == {0, 1}


def test_one_group_cannot_be_cut(tmp_path: Path, mood: Task) -> None:
    with pytest.raises(UserError, match=r"none of the 1 group of task.group_column fits"):
        load_splits(spec(tmp_path, rows(["a"] * 20)), mood, tmp_path)


def test_a_given_dev_file_shares_none(tmp_path: Path, mood: Task) -> None:
    # 7 and 7.0 are one group, as they are one label.
    own = spec(tmp_path, rows([7, 7, 8, 8]), dev=rows([7.0, 9.0], start=4))
    with pytest.raises(DataErrors) as caught:
        write_splits(load_splits(own, mood, tmp_path), mood.to_dict(), 0.0, tmp_path)
    (fault,) = caught.value.errors
    assert fault.split == "dev"
    assert "shares 1 group of task.group_column with train: '7'" in fault.rule


def test_rows_without_a_label_have_groups_too(tmp_path: Path, mood: Task) -> None:
    more = rows(["c", "d"], start=8).drop(columns="label")
    own = spec(tmp_path, rows(["a", "a", "b", "b"]), dev=rows(["c", "e"], 4), unlabelled=more)
    with pytest.raises(DataErrors, match="'c'"):
        write_splits(load_splits(own, mood, tmp_path), mood.to_dict(), 0.0, tmp_path)
    files = {"train": "train.csv", UNLABELLED: "unlabelled.csv"}
    rows([f"p{i}" for i in range(20)]).to_csv(tmp_path / "train.csv", index=False)
    more = rows([f"p{i}" for i in range(20)], start=50).drop(columns="label")
    more.to_csv(tmp_path / "unlabelled.csv", index=False)
    frames = load_splits(replace(own, files=files), mood, tmp_path)
    assert len(frames[UNLABELLED]) == 16
    assert not set(frames["dev"][GROUP]) & set(frames[UNLABELLED][GROUP])


def test_groups_are_counted_and_not_kept(tmp_path: Path, mood: Task) -> None:
    own = spec(tmp_path, rows(["a", "a", "b", "b"]), dev=rows(["c", "c"], start=4))
    write_splits(load_splits(own, mood, tmp_path), mood.to_dict(), 0.0, tmp_path)
    assert list(pd.read_parquet(tmp_path / "train.parquet")) == ["sentence", "label", "idx"]
    report = read_json(tmp_path / REPORT)["splits"]
    assert (report["train"]["groups"], report["dev"]["groups"]) == (2, 1)


def test_a_missing_column_and_missing_cells_are_named(tmp_path: Path, mood: Task) -> None:
    own = spec(tmp_path, rows(["a", "b"]), dev=rows(["c", "d"], start=4))
    with pytest.raises(DataErrors, match=r"name the right one in task\.group_column"):
        load_splits(replace(own, group_column="whom"), mood, tmp_path)
    own = spec(tmp_path, rows(["a", None]), dev=rows(["c", "d"], start=4))
    with pytest.raises(DataErrors, match=r"1 line \(3\): task.group_column is missing"):
        write_splits(load_splits(own, mood, tmp_path), mood.to_dict(), 0.0, tmp_path)


def test_a_test_file_needs_no_groups(tmp_path: Path, mood: Task) -> None:
    own = spec(tmp_path, rows(["a", "b"]), dev=rows(["c", "d"], 4), test=rows(["a", "b"], 8))
    rows([1, 2], start=8).drop(columns="who").to_csv(tmp_path / "test.csv", index=False)
    frames = load_splits(own, mood, tmp_path)
    assert GROUP not in frames["test"]
    write_splits(frames, mood.to_dict(), 0.0, tmp_path)
