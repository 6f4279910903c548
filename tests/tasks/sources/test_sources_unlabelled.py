"""Train rows without a label: where they come from, and that none gets into dev."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.sources import demo, load_splits, source_digest
from alpkd_pipeline.tasks.task import UNLABELLED, SourceSpec, Task
from alpkd_pipeline.tasks.validate import REPORT, DataErrors, write_splits

LABELLED = [("good", "positive"), ("bad", "negative"), ("fine", "positive"), ("poor", "negative")]
DEV = [("nice", "positive"), ("ugly", "negative")]
MORE = ["odd", "new", "old"]
SUFFIXES = ["csv", "tsv", "jsonl", "parquet"]


def write(path: Path, rows: list[tuple[str, str | None]], *, labels: bool = True) -> None:
    frame = pd.DataFrame(rows, columns=["sentence", "label"])
    frame = frame if labels else frame[["sentence"]]
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def table(folder: Path, **changes: Any) -> SourceSpec:
    files = {"train": "train.csv", "dev": "dev.csv"}
    write(folder / "train.csv", [*LABELLED])
    write(folder / "dev.csv", [*DEV])
    return SourceSpec("table", **{"files": files} | changes)


def with_file(folder: Path, suffix: str = "csv", **changes: Any) -> SourceSpec:
    write(folder / f"more.{suffix}", [(text, None) for text in MORE], labels=False)
    spec = table(folder, **changes)
    return replace(spec, files={**spec.files, UNLABELLED: f"more.{suffix}"})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_its_own(tmp_path: Path, mood: Task, suffix: str) -> None:
    frames = load_splits(with_file(tmp_path, suffix), mood, tmp_path)
    assert list(frames) == ["train", UNLABELLED, "dev"]
    assert frames[UNLABELLED]["sentence"].tolist() == MORE
    assert frames[UNLABELLED]["label"].tolist() == [-1, -1, -1]
    assert frames["train"]["label"].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_labels_of_train_are_allowed_if_asked(
    tmp_path: Path, mood: Task, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    spec = replace(table(tmp_path), files={"train": f"t.{suffix}", "dev": "dev.csv"})
    rows = [*LABELLED[:2], ("odd", None), *LABELLED[2:], ("new", None)]
    write(tmp_path / f"t.{suffix}", rows)
    with caplog.at_level(logging.INFO):
        frames = load_splits(replace(spec, unlabelled=True), mood, tmp_path)
    assert "mood: 2 train rows without a label" in caplog.text
    assert frames["train"]["sentence"].tolist() == ["good", "bad", "fine", "poor"]
    assert frames[UNLABELLED]["idx"].tolist() == [2, 5]
    refused = load_splits(spec, mood, tmp_path)
    with pytest.raises(DataErrors, match="label is missing") as caught:
        write_splits(refused, mood.to_dict(), 0.5, tmp_path)
    assert "task.unlabelled=allow" in str(caught.value)


def test_a_regression(tmp_path: Path, likeness: Task) -> None:
    rows = ["first,second,label", "a,b,0.5", "c,d,", "e,f,4"]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    (tmp_path / "d.csv").write_text("first,second,label\ng,h,1\n")
    spec = SourceSpec("table", files={"train": "t.csv", "dev": "d.csv"}, unlabelled=True)
    write_splits(load_splits(spec, likeness, tmp_path), likeness.to_dict(), 0.0, tmp_path)
    train = pd.read_parquet(tmp_path / "train.parquet")
    assert train["first"].tolist() == ["a", "e", "c"]
    assert train["label"].tolist()[:2] == [0.5, 4.0]
    assert train["label"].isna().tolist() == [False, False, True]
    rows[2] = "c,d,-1"
    (tmp_path / "t.csv").write_text("\n".join(rows))
    with pytest.raises(UserError, match="-1 hides a label only"):
        load_splits(spec, likeness, tmp_path)


def test_both_together_join_train_behind_its_rows(tmp_path: Path, mood: Task) -> None:
    spec = with_file(tmp_path, unlabelled=True)
    write(tmp_path / "train.csv", [LABELLED[0], ("odder", None), *LABELLED[1:]])
    write_splits(load_splits(spec, mood, tmp_path), mood.to_dict(), 0.0, tmp_path)
    train = pd.read_parquet(tmp_path / "train.parquet")
    texts = ["good", "bad", "fine", "poor", "odder", "odd", "new", "old"]
    assert train["sentence"].tolist() == texts
    assert train["label"].tolist() == [1, 0, 1, 0, -1, -1, -1, -1]
    assert train["idx"].is_unique
    assert train["idx"].tolist()[:4] == [0, 2, 3, 4]
    report = read_json(tmp_path / REPORT)["splits"]
    assert report["train"]["rows"] == 4
    assert report[UNLABELLED]["rows"] == report[UNLABELLED]["labels"]["hidden"] == 4
    assert not (tmp_path / f"{UNLABELLED}.parquet").exists()


@pytest.mark.parametrize(("limit", "texts"), [(2, MORE[:2]), (9, MORE), (0, None)])
def test_the_first_ones_are_kept(
    tmp_path: Path, mood: Task, limit: int, texts: list[str] | None
) -> None:
    frames = load_splits(with_file(tmp_path, unlabelled_rows=limit), mood, tmp_path)
    assert (list(frames[UNLABELLED]["sentence"]) if UNLABELLED in frames else None) == texts


def test_train_rows_counts_labelled_rows(tmp_path: Path, mood: Task) -> None:
    spec = with_file(tmp_path, unlabelled=True, train_rows=2)
    write(tmp_path / "train.csv", [("odd", None), *LABELLED])
    frames = load_splits(spec, mood, tmp_path)
    assert frames["train"]["sentence"].tolist() == ["good", "bad"]
    assert len(frames[UNLABELLED]) == 4


def test_labels_where_none_are_read_are_a_fault(tmp_path: Path, mood: Task) -> None:
    spec = with_file(tmp_path)
    write(tmp_path / "more.csv", [("odd", None), ("new", "positive"), ("old", "negative")])
    frames = load_splits(spec, mood, tmp_path)
    with pytest.raises(DataErrors) as caught:
        write_splits(frames, mood.to_dict(), 0.0, tmp_path)
    (fault,) = caught.value.errors
    assert (fault.split, fault.count, fault.rows) == (UNLABELLED, 2, (3, 4))
    assert "put these rows into train" in fault.rule


def test_faults_name_the_file_and_its_lines(tmp_path: Path, mood: Task) -> None:
    spec = with_file(tmp_path)
    write(tmp_path / "more.csv", [("odd", None), ("  ", None)])
    with pytest.raises(DataErrors) as caught:
        write_splits(load_splits(spec, mood, tmp_path), mood.to_dict(), 0.0, tmp_path)
    assert "more.csv), 1 line (3): sentence is blank" in str(caught.value)


def test_a_train_file_without_any_label_is_refused(tmp_path: Path, mood: Task) -> None:
    spec = table(tmp_path, unlabelled=True)
    write(tmp_path / "train.csv", [("odd", None), ("new", None)])
    with pytest.raises(UserError, match="no train row has a label"):
        load_splits(spec, mood, tmp_path)


def test_dev_is_cut_from_labelled_rows_and_shares_no_text(
    tmp_path: Path, mood: Task, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [(f"text {i}", ("negative", "positive")[i % 2]) for i in range(40)]
    write(tmp_path / "t.csv", [*rows, ("new", None), ("newer", None)])
    write(tmp_path / "more.csv", [(f"TEXT  {i}", None) for i in range(40)], labels=False)
    files = {"train": "t.csv", UNLABELLED: "more.csv"}
    spec = SourceSpec("table", files=files, unlabelled=True, dev_fraction=0.2)
    with caplog.at_level(logging.WARNING):
        frames = load_splits(spec, mood, tmp_path)
    assert set(frames["dev"]["label"]) == {0, 1}
    assert len(frames["dev"]) == 8
    assert len(frames[UNLABELLED]) == 34
    assert "8 rows without a label left out" in caplog.text
    alike = {text.split()[1] for text in frames["dev"]["sentence"]}
    assert not alike & {text.split()[-1] for text in frames[UNLABELLED]["sentence"]}
    alone = load_splits(replace(spec, files={"train": "t.csv"}), mood, tmp_path)
    assert alone["dev"].equals(frames["dev"])


def test_rows_of_a_given_dev_file_count_as_overlap(tmp_path: Path, mood: Task) -> None:
    spec = with_file(tmp_path)
    write(tmp_path / "more.csv", [("Nice", None)], labels=False)
    with pytest.raises(DataErrors, match=r"task\.max_overlap"):
        write_splits(load_splits(spec, mood, tmp_path), mood.to_dict(), 0.1, tmp_path)


def test_the_demo_has_some_for_those_who_ask() -> None:
    frames = load_splits(SourceSpec("demo", unlabelled=True), demo.TASK)
    assert len(frames[UNLABELLED]) == 2000
    assert set(frames[UNLABELLED]["label"]) == {-1}
    texts = [text for frame in frames.values() for text in frame["sentence"]]
    assert len(set(texts)) == len(texts) == 6000
    plain = load_splits(SourceSpec("demo"), demo.TASK)
    assert all(plain[split].equals(frames[split]) for split in plain)


def test_digests_count_the_rows(tmp_path: Path, mood: Task) -> None:
    demos = [source_digest(SourceSpec("demo", unlabelled=u), demo.TASK) for u in (False, True)]
    assert demos[0] != demos[1]
    spec = with_file(tmp_path)
    with_it = source_digest(spec, mood, tmp_path)
    assert set(with_it["files"]) == {"train", "dev", UNLABELLED}
    assert source_digest(table(tmp_path), mood, tmp_path)["files"].keys() == {"train", "dev"}


def test_a_split_of_another_name_is_still_refused(tmp_path: Path, mood: Task) -> None:
    spec = replace(table(tmp_path), files={"train": "train.csv", "unlabeled": "dev.csv"})
    with pytest.raises(UserError, match="choose from train, dev, test, unlabelled"):
        load_splits(spec, mood, tmp_path)
