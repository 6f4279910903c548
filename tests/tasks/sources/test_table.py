import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.sources.table import find_files, load
from alpkd_pipeline.tasks.task import SourceSpec, Task

ROWS = [
    {"text": 'He said "no', "stars": "negative"},
    {"text": "NA", "stars": "positive"},
    {"text": "grün, teuer", "stars": "positive"},
]


def write_all(folder: Path) -> None:
    frame = pd.DataFrame(ROWS)
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    lines = ["text\tstars", *(f"{row['text']}\t{row['stars']}" for row in ROWS)]
    (folder / "t.tsv").write_text("\n".join(lines), "utf-8")
    (folder / "t.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS), "utf-8")


def spec(**changes: Any) -> SourceSpec:
    columns = {"sentence": "text", "label": "stars"}
    return SourceSpec("table", **{"files": {"train": "t.csv"}, "columns": columns} | changes)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, mood: Task, suffix: str) -> None:
    write_all(tmp_path)
    frames = load(spec(files={"train": f"t.{suffix}"}), mood, tmp_path)
    assert frames["train"].to_dict("list") == {
        "sentence": [row["text"] for row in ROWS],
        "label": [0, 1, 1],
        "idx": [0, 1, 2],
    }


def test_files_are_relative_to_path(tmp_path: Path, mood: Task) -> None:
    (tmp_path / "raw").mkdir()
    write_all(tmp_path / "raw")
    frames = load(spec(path="raw", files={"train": "t.csv", "dev": "t.tsv"}), mood, tmp_path)
    assert {split: len(frame) for split, frame in frames.items()} == {"train": 3, "dev": 3}
    assert frames["dev"].attrs["file"] == str(tmp_path / "raw" / "t.tsv")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "names no file for 'train'"),
        ({"train": "t.csv", "validation": "t.csv"}, "split 'validation'.*choose from train, dev"),
        ({"train": "u.csv"}, "task.files.train: the file .*u.csv does not exist"),
        ({"train": "t.csv", "test": "u.csv"}, "task.files.test: the file .*u.csv does not exist"),
    ],
)
def test_wrong_files_are_refused(
    tmp_path: Path, mood: Task, files: dict[str, str], message: str
) -> None:
    write_all(tmp_path)
    with pytest.raises(UserError, match=message):
        find_files(spec(files=files), mood, tmp_path)


def test_wrong_column_is_refused_with_what_there_is(tmp_path: Path, mood: Task) -> None:
    write_all(tmp_path)
    with pytest.raises(UserError, match=r"no column 'txt' \(did you mean 'text'\?\); it has text,"):
        load(spec(columns={"sentence": "txt", "label": "stars"}), mood, tmp_path)


def test_unknown_labels_are_refused(tmp_path: Path, mood: Task) -> None:
    (tmp_path / "t.csv").write_text("text,stars\na,negative\nb,meh\n")
    with pytest.raises(UserError, match=r"'meh' \(train line 3\)"):
        load(spec(), mood, tmp_path)


def test_train_alone_is_enough(tmp_path: Path, mood: Task) -> None:
    rows = "".join(f"text {i},{i % 2}\n" for i in range(20))
    (tmp_path / "t.csv").write_text("text,stars\n" + rows)
    splits = load_splits(spec(dev_fraction=0.2), mood, tmp_path)
    assert {split: len(frame) for split, frame in splits.items()} == {"train": 16, "dev": 4}
