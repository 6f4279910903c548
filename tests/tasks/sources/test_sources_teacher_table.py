"""Files of one's own in which a teacher's answers stand beside the rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import load_splits, source_digest
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.teacher_table import VALUE, columns_of, teacher_names
from alpkd_pipeline.tasks.validate import DataErrors, check_splits, write_splits

COLUMNS = {"negative": "p0", "positive": "p1"}
WRITE: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "jsonl": lambda frame, path: path.write_text(frame.to_json(orient="records", lines=True)),
    "parquet": lambda frame, path: frame.to_parquet(path),
}


def rows(count: int = 6, start: int = 0) -> pd.DataFrame:
    at = range(start, start + count)
    return pd.DataFrame(
        {
            "sentence": [f"text {i}" for i in at],
            "label": [("negative", "positive")[i % 2] for i in at],
            "p0": [(0.9, 0.2)[i % 2] for i in at],
            "p1": [(0.1, 0.8)[i % 2] for i in at],
        }
    )


def spec(folder: Path, suffix: str = "csv", **splits: pd.DataFrame) -> SourceSpec:
    for split, frame in splits.items():
        WRITE[suffix](frame, folder / f"{split}.{suffix}")
    files = {split: f"{split}.{suffix}" for split in splits}
    return SourceSpec("table", files=files, teacher_columns=COLUMNS)


def check(given: SourceSpec, task: Task, folder: Path) -> dict[str, pd.DataFrame]:
    frames = load_splits(given, task, folder)
    check_splits(frames, task, 0.1)
    return frames


@pytest.mark.parametrize("suffix", list(WRITE))
def test_the_teacher_s_columns_stay_with_their_rows(
    tmp_path: Path, mood: Task, suffix: str
) -> None:
    test = rows(2, 20)[["sentence"]]
    unlabelled = rows(3, 30).drop(columns="label")
    given = spec(tmp_path, suffix, train=rows(), dev=rows(4, 10), test=test, unlabelled=unlabelled)
    frames = check(given, mood, tmp_path)
    names = list(teacher_names(mood, "probabilities").values())
    assert columns_of(frames["test"], mood) == []
    (tmp_path / "splits").mkdir()
    write_splits(frames, mood.to_dict(), 0.1, tmp_path / "splits")
    train = pd.read_parquet(tmp_path / "splits" / "train.parquet")
    assert train[names].to_numpy().tolist() == [[0.9, 0.1], [0.2, 0.8]] * 4 + [[0.9, 0.1]]
    assert train["label"].tolist() == [0, 1] * 3 + [-1] * 3


def test_a_dev_split_that_is_cut_keeps_them(tmp_path: Path, mood: Task) -> None:
    dev = load_splits(spec(tmp_path, train=rows(40)), mood, tmp_path)["dev"]
    names = list(teacher_names(mood, "probabilities").values())
    assert all(dev[names[1]] == dev["label"].map({0: 0.1, 1: 0.8}))


def test_a_regression_has_one_value(tmp_path: Path, likeness: Task) -> None:
    frame = pd.DataFrame({"first": ["a", "b"], "second": ["c", "d"], "label": [1, 4]})
    frame["said"] = [1.5, 3.0]
    frame.to_csv(tmp_path / "train.csv", index=False)
    dev = frame.assign(first=["e", "f"])
    dev.to_csv(tmp_path / "dev.csv", index=False)
    files = {"train": "train.csv", "dev": "dev.csv"}
    given = SourceSpec("table", files=files, teacher_columns={"label": "said"})
    assert check(given, likeness, tmp_path)["dev"][VALUE].tolist() == [1.5, 3.0]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (
            "p1",
            None,
            "line (2): task.teacher_columns, probability of positive is missing",
        ),
        ("p1", "high", "probability of positive is not a finite number"),
        ("p1", 3.2, "not between 0 and 1 (set task.teacher_values=logits if these are logits)"),
        ("p1", 0.4, "the teacher's probabilities do not add up to 1"),
    ],
)
def test_every_fault_names_its_row(
    tmp_path: Path, mood: Task, column: str, value: object, words: str
) -> None:
    train = rows().astype({column: "object"})
    train.loc[0, column] = value
    with pytest.raises(DataErrors) as caught:
        check(spec(tmp_path, train=train, dev=rows(4, 10)), mood, tmp_path)
    (fault,) = caught.value.errors
    assert words in str(fault)
    assert fault.rows == (2,)


def test_a_column_that_is_not_there(tmp_path: Path, mood: Task) -> None:
    lacking = rows(4, 10).rename(columns={"p1": "p_1"})
    with pytest.raises(UserError) as caught:
        check(spec(tmp_path, train=rows(), dev=lacking), mood, tmp_path)
    assert "has no column 'p1' (did you mean 'p_1'?)" in str(caught.value)
    assert "name the right one in task.teacher_columns" in str(caught.value)


def test_the_data_are_the_same_with_and_without(tmp_path: Path, mood: Task) -> None:
    given = spec(tmp_path, train=rows(), dev=rows(4, 10))
    plain = SourceSpec("table", files=given.files)
    assert source_digest(given, mood, tmp_path) == source_digest(plain, mood, tmp_path)
