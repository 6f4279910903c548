"""Labels of every type, in every format: the same values are the same ids, or the same refusal."""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from hypothesis import strategies as st
from tests.properties import EFFORTS, for_all

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import hub, load_splits
from alpkd_pipeline.tasks.sources.frames import read_label_columns
from alpkd_pipeline.tasks.task import SourceSpec, Task

FORMS = ["csv", "tsv", "jsonl", "parquet"]

Rows = Sequence[object]

MEANING: dict[str, tuple[str, object]] = {
    **{word: ("text", word.strip()) for word in ("a", "b", " b", "yes", "no", "01", "1e0", "A")},
    **{word: ("number", float(word)) for word in ("0", "1", "1.0", "2", "+1", "0.1", "-1", "-1.0")},
    **{word: ("truth", word.lower() == "true") for word in ("true", "TRUE", "False", "false")},
}
"""What words mean, written down by hand."""


def meaning(value: object) -> tuple[str, object]:
    """What a label means, by its type; an answer of its own to what `label_text` computes."""
    if isinstance(value, str):
        return MEANING[value]
    if isinstance(value, bool):
        return "truth", value
    assert isinstance(value, int | float)
    return "number", float(value)


def expected(splits: dict[str, Rows], names: Sequence[str]) -> dict[str, list[int | None]] | None:
    """The ids of all labels; None for a refusal."""
    classes = [MEANING[name] for name in names]
    found: dict[str, list[tuple[str, object] | None]] = {
        split: [None if value is None else meaning(value) for value in rows]
        for split, rows in splits.items()
    }
    minus_one = ("number", -1.0)
    if "test" in found and minus_one not in classes and set(found["test"]) <= {minus_one, None}:
        found["test"] = [None] * len(found["test"])
    known = {one for rows in found.values() for one in rows if one is not None}
    numbers = [("number", float(n)) for n in range(len(names))]
    if known <= set(classes):
        order = classes
    elif known <= set(numbers) and not any(kind == "number" for kind, _ in classes):
        order = numbers
    else:
        return None
    return {
        split: [
            (-1 if split == "test" else None) if one is None else order.index(one) for one in rows
        ]
        for split, rows in found.items()
    }


def written(value: object) -> str:
    """A label in a text file: as pandas writes it."""
    return "" if value is None else str(value)


def write(path: Path, rows: Rows, kind: pa.DataType | None = None) -> None:
    """One file of rows in the form that its suffix says."""
    texts = [f"{path.stem} text {at}" for at in range(len(rows))]
    if path.suffix == ".parquet":
        column = pa.array(rows, kind)
        pq.write_table(pa.table({"sentence": texts, "label": column}), path)
    elif path.suffix == ".jsonl":
        lines = [{"sentence": t, "label": v} for t, v in zip(texts, rows, strict=True)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t")
            writer.writerow(["sentence", "label"])
            writer.writerows(zip(texts, map(written, rows), strict=True))


def read(folder: Path, task: Task, form: str, splits: dict[str, Rows], kind: Any = None) -> Any:
    """The ids of every split, or what is said instead, without files and numbers of rows."""
    for split, rows in splits.items():
        write(folder / f"{split}.{form}", rows, kind)
    spec = SourceSpec("table", files={split: f"{split}.{form}" for split in splits})
    try:
        frames = load_splits(spec, task, folder)
    except UserError as error:
        said = re.sub(r"\S+/(\w+)\.\w+", r"\1", str(error))
        return re.sub(r"(line|row)s? (\([\d, ]+\)|\d+)", "rows", said)
    return {split: frame["label"].tolist() for split, frame in frames.items()}


TYPES: list[tuple[list[Any], list[pa.DataType]]] = [
    ([True, False], [pa.bool_()]),
    ([0, 1, 2, -1], [pa.int8(), pa.int64(), pa.dictionary(pa.int8(), pa.int64())]),
    ([0.0, 1.0, 2.0, 0.1, -1.0], [pa.float32(), pa.float64()]),
    (
        list(MEANING),
        [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())],
    ),
]
"""Labels of one type, and the Parquet types that can hold them."""


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[str], dict[str, Rows], pa.DataType]:
    """Names of classes and the labels of up to three splits, all of one type."""
    values, kinds = draw(st.sampled_from(TYPES))
    few = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    cells = st.lists(st.sampled_from([*few, *few, None]), min_size=1, max_size=4)
    words = st.sampled_from(list(MEANING))
    names = draw(st.lists(words, min_size=2, max_size=4, unique_by=MEANING.__getitem__))
    splits: dict[str, Rows] = {"train": draw(cells), "dev": draw(cells)}
    if draw(st.booleans()):
        splits["test"] = draw(cells)
    return names, splits, draw(st.sampled_from(kinds))


@pytest.mark.parametrize("examples", EFFORTS)
def test_the_same_labels_in_every_format(tmp_path: Path, mood: Task, examples: int) -> None:
    def check(given: tuple[list[str], dict[str, Rows], pa.DataType]) -> None:
        names, splits, kind = given
        task = replace(mood, label_names=tuple(names))
        right = expected(splits, names)
        found = [read(tmp_path, task, form, splits, kind) for form in FORMS]
        assert found == [found[0] if right is None else right] * len(FORMS)
        assert isinstance(found[0], str) == (right is None)

    for_all(examples, columns(), check)


@pytest.mark.parametrize(
    ("names", "rows", "ids"),
    [
        (("true", "false"), [True, False], [0, 1]),
        (("True", "FALSE"), [False, True], [1, 0]),
        (("yes", "no"), [True, False], None),
        (("0", "1"), [True, False], None),
        (("1", "0"), [1.0, 0.0], [0, 1]),
        (("1", "0"), [1, 0], [0, 1]),
        (("1.0", "0.0"), [1, 0], [0, 1]),
        (("-1", "+1"), [-1, 1], [0, 1]),
        (("0.1", "0.7"), [0.7, 0.1], [1, 0]),
        (("b", "a"), [0, 1], [0, 1]),
        (("b", "a"), [0.0, 1.0], [0, 1]),
        (("b", "a"), [1, 2], None),
        (("b", "a"), [0.5, 1.0], None),
        (("b", "a"), ["b", "1"], None),
        (("b", "2"), [0, 1], None),
        (("01", "02"), [1, 2], None),
        (("1e0", "2"), [1.0, 2.0], None),
        (("1", "2", "3"), ["3", "1.0"], [2, 0]),
        (("NA", "null"), ["null", "NA"], [1, 0]),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_labels_that_people_have(
    tmp_path: Path,
    mood: Task,
    form: str,
    names: tuple[str, ...],
    rows: Rows,
    ids: list[int] | None,
) -> None:
    found = read(
        tmp_path, replace(mood, label_names=names), form, {"train": rows, "dev": rows[::-1]}
    )
    if ids is None:
        assert "labels: " in found
    else:
        assert found == {"train": ids, "dev": ids[::-1]}


@pytest.mark.parametrize("form", FORMS)
def test_a_column_of_numbers_with_a_gap(tmp_path: Path, mood: Task, form: str) -> None:
    """Pandas turns it into floats on the way."""
    splits: dict[str, Rows] = {"train": [1.0, 2.0], "dev": [2.0, 1.0], "test": [2.0, None]}
    found = read(tmp_path, replace(mood, label_names=("1", "2")), form, splits)
    assert found == {"train": [0, 1], "dev": [1, 0], "test": [1, -1]}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("names", "test", "ids"),
    [
        (("b", "a"), [-1, -1], [-1, -1]),
        (("b", "a"), [None, -1], [-1, -1]),
        (("b", "a"), [None, 1], [-1, 1]),
        (("b", "a"), [-1, 1], None),
        (("-1", "1"), [-1, -1], [0, 0]),
        (("-1", "0", "1"), [None, -1], [-1, 0]),
    ],
)
def test_hidden_labels_of_a_table(
    tmp_path: Path,
    mood: Task,
    form: str,
    names: tuple[str, ...],
    test: Rows,
    ids: list[int] | None,
) -> None:
    train: Rows = [0, 1] if names == ("b", "a") else [int(name) for name in names]
    task = replace(mood, label_names=names)
    found = read(tmp_path, task, form, {"train": train, "dev": train, "test": test})
    if ids is None:
        assert "-1 (test rows); -1 hides a label only where all of a test file" in found
    else:
        assert found["test"] == ids


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("split", ["train", "dev"])
def test_minus_one_hides_nothing_outside_test(
    tmp_path: Path, mood: Task, form: str, split: str
) -> None:
    splits: dict[str, Rows] = {"train": [0, 1], "dev": [1, 0]}
    splits[split] = [-1, -1]
    assert f"-1 ({split} rows" in read(tmp_path, mood, form, splits)


@pytest.mark.parametrize("form", FORMS)
def test_hidden_labels_of_a_regression(tmp_path: Path, likeness: Task, form: str) -> None:
    one = replace(likeness, text_columns=("sentence",))
    splits: dict[str, Rows] = {"train": [1.5, 2.0], "dev": [0.0, 5.0]}
    for test in ([-1.0, -1.0], [None, -1.0]):
        found = read(tmp_path, one, form, {**splits, "test": test})
        assert found == {**splits, "test": [-1.0, -1.0]}
    for free in (one, replace(one, label_range=None)):
        said = read(tmp_path, free, form, {**splits, "test": [3.0, -1.0]})
        assert "labels: -1 (test rows" in said
    signed = read(
        tmp_path, replace(one, label_range=(-1.0, 5.0)), form, {**splits, "test": [3.0, -1.0]}
    )
    assert signed["test"] == [3.0, -1.0]


def carried(folder: Path, names: list[str], **splits: list[int]) -> SourceSpec:
    """Parquet files as the library `datasets` writes them, with the names of their classes."""
    features = datasets.Features(
        {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    for split, rows in splits.items():
        cells = {"sentence": [f"{split} {at}" for at in range(len(rows))], "label": rows}
        data = datasets.Dataset.from_dict(cells, features=features)
        data.to_parquet(str(folder / f"{split}.parquet"))
    return SourceSpec("table", files={split: f"{split}.parquet" for split in splits})


def test_class_names_that_a_file_carries(tmp_path: Path, mood: Task) -> None:
    """The task says negative, positive; the files positive, negative."""
    spec = carried(tmp_path, ["positive", "negative"], train=[0, 1], dev=[1, 1], test=[-1, -1])
    found = load_splits(spec, mood, tmp_path)
    assert {split: frame["label"].tolist() for split, frame in found.items()} == {
        "train": [1, 0],
        "dev": [0, 0],
        "test": [-1, -1],
    }


def test_carried_names_beside_a_file_of_names(tmp_path: Path, mood: Task) -> None:
    spec = carried(tmp_path, ["positive", "negative"], train=[0, 1])
    write(tmp_path / "dev.csv", ["positive", "negative"])
    files = {**spec.files, "dev": "dev.csv"}
    found = load_splits(replace(spec, files=files), mood, tmp_path)
    assert found["dev"]["label"].tolist() == [1, 0]
    write(tmp_path / "dev.csv", [0, 1])
    with pytest.raises(UserError, match=r"0 \(dev line 2\), 1 \(dev line 3\)"):
        load_splits(replace(spec, files=files), mood, tmp_path)


@pytest.mark.parametrize(
    "names", [["good", "bad"], ["positive", "negative", "neutral"], ["Positive", "negative"]]
)
def test_other_carried_names_are_refused(tmp_path: Path, mood: Task, names: list[str]) -> None:
    spec = carried(tmp_path, names, train=[0, 1], dev=[1, 1])
    with pytest.raises(UserError) as caught:
        load_splits(spec, mood, tmp_path)
    said = f"the labels are {', '.join(names)}, but task 'mood' has negative, positive"
    assert str(caught.value).count(said) == 2


def test_carried_names_and_a_class_called_minus_one(tmp_path: Path, mood: Task) -> None:
    task = replace(mood, label_names=("-1", "1"))
    spec = carried(tmp_path, ["1", "-1"], train=[0, 1], dev=[1, 0], test=[-1, 0])
    found = load_splits(spec, task, tmp_path)
    assert found["train"]["label"].tolist() == [1, 0]
    assert found["test"]["label"].tolist() == [-1, 1]


def test_categories_of_pandas_are_names(tmp_path: Path, mood: Task) -> None:
    for split in ("train", "dev"):
        labels = pd.Categorical(["positive", "negative"], categories=["positive", "negative"])
        frame = pd.DataFrame({"sentence": [f"{split} a", f"{split} b"], "label": labels})
        frame.to_parquet(tmp_path / f"{split}.parquet")
    spec = SourceSpec("table", files={s: f"{s}.parquet" for s in ("train", "dev")})
    assert load_splits(spec, mood, tmp_path)["dev"]["label"].tolist() == [1, 0]


COMMIT = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize(
    ("names", "rows", "ids"),
    [
        (("true", "false"), [True, False], [0, 1]),
        (("yes", "no"), [True, False], None),
        (("1", "0"), [1.0, 0.0], [0, 1]),
        (("b", "a"), ["a", "b"], [1, 0]),
        (("1", "2"), [0, 1], None),
    ],
)
def test_labels_of_a_hub_data_set(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mood: Task,
    names: tuple[str, ...],
    rows: Rows,
    ids: list[int] | None,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "datasets--me--moods" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    for split in ("train", "validation"):
        write(folder / f"{split}.parquet", rows)
    spec, task = SourceSpec("hub", "me/moods", None, COMMIT), replace(mood, label_names=names)
    if ids is None:
        with pytest.raises(UserError, match="labels: "):
            hub.load(spec, task, Path())
    else:
        frames = hub.load(spec, task, Path())
        assert [frames[split]["label"].tolist() for split in ("train", "dev")] == [ids, ids]


def frame(*labels: str | None) -> pd.DataFrame:
    index = pd.Index(range(2, 2 + len(labels)), name="line")
    return pd.DataFrame({"label": pd.Series(labels, index, dtype="object")})


def test_how_labels_were_read_is_said_in_one_line(
    mood: Task, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"train": frame(*["negative"] * 1204, *["positive"] * 1188), "test": frame(None, "-1")}
    with caplog.at_level(logging.INFO):
        read_label_columns(names, mood, minus_one_hides=True)
        read_label_columns({"train": frame("0", "1", "1")}, mood, minus_one_hides=True)
    assert [record.getMessage() for record in caplog.records] == [
        "mood: labels by name: 1,204 negative, 1,188 positive, 2 hidden",
        "mood: labels by id: 1 negative (0), 2 positive (1)",
    ]


def test_many_classes_are_counted_up_to_a_limit(
    mood: Task, caplog: pytest.LogCaptureFixture
) -> None:
    many = replace(mood, label_names=tuple(f"c{n}" for n in range(30)))
    with caplog.at_level(logging.INFO):
        read_label_columns({"train": frame("c3", "c9")}, many, minus_one_hides=False)
    assert caplog.text.rstrip().endswith("1 c9, ... (30 classes in all)")


def test_a_hidden_label_in_train_stays_one_for_the_validation(mood: Task) -> None:
    found = read_label_columns({"train": frame("0", "-1", None)}, mood, minus_one_hides=True)
    assert found["train"]["label"].tolist() == [0, -1, None]


def test_equal_values_of_other_types_are_other_labels(tmp_path: Path, mood: Task) -> None:
    rows: Rows = [1, True, 1.0, "1.0", "TRUE"]
    task = replace(mood, label_names=("true", "1"))
    found = read(tmp_path, task, "jsonl", {"train": rows, "dev": rows[::-1]})
    assert found["train"] == [1, 0, 1, 1, 0]
    assert "1 (train rows" in read(
        tmp_path, replace(mood, label_names=("true", "false")), "jsonl", {"train": rows}
    )


def test_minus_one_is_a_class_wherever_one_is_named_so(mood: Task, likeness: Task) -> None:
    given = {"train": frame("-1", "1"), "test": frame("-1", None)}
    task = replace(mood, label_names=("-1", "1"))
    found = read_label_columns(given, task, minus_one_hides=True)
    assert [part["label"].tolist() for part in found.values()] == [[0, 1], [0, -1]]
    signed = replace(likeness, label_range=(-1.0, 1.0))
    numbers = read_label_columns(given, signed, minus_one_hides=True)["test"]["label"]
    assert numbers[2] == -1.0
    assert numbers.isna().tolist() == [False, True]
