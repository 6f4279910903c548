import json
import logging
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.validate import DataErrors, check_splits


def frame(task: Task, rows: int = 6, word: str = "row", **changes: Any) -> pd.DataFrame:
    """A sound split of `rows` rows; `changes` replaces whole columns."""
    data: dict[str, Any] = {
        name: [f"{word} {i} {name}" for i in range(rows)] for name in task.text_columns
    }
    data["label"] = [float(i % 5) if task.kind == "regression" else i % 2 for i in range(rows)]
    data["idx"] = list(range(rows))
    return pd.DataFrame(data | changes)


def faults_of(task: Task, max_overlap: float = 0.0, **splits: pd.DataFrame) -> list[str]:
    whole = {"train": frame(task), "dev": frame(task, word="dev")} | splits
    with pytest.raises(DataErrors) as caught:
        check_splits(whole, task, max_overlap)
    return [str(fault) for fault in caught.value.errors]


def test_sound_splits_are_described(mood: Task) -> None:
    splits = {
        "train": frame(mood, 6),
        "dev": frame(mood, 4, "dev"),
        "test": frame(mood, 3, "test", label=[-1, -1, 1]),
    }
    report = check_splits(splits, mood, 0.0)
    assert report == json.loads(json.dumps(report))
    assert report["train"] == {
        "rows": 6,
        "labels": {"negative": 3, "positive": 3},
        "overlap": 0,
        "repeated": 0,
    }
    assert report["test"]["labels"] == {"negative": 0, "positive": 1, "hidden": 2}


def test_regression_labels_are_summed_up(likeness: Task) -> None:
    splits = {
        "train": frame(likeness, 3, label=[0.0, 5.0, 4.0]),
        "test": frame(likeness, 2, "test", label=[-1.0, -1.0]),
    }
    facts = check_splits(splits, likeness, 0.0)
    assert facts["train"]["labels"] == {"min": 0.0, "mean": 3.0, "max": 5.0}
    assert facts["test"]["labels"] == {"hidden": 2}


def test_missing_column(mood: Task) -> None:
    for name in ("sentence", "label", "idx"):
        dev = frame(mood, word="dev").drop(columns=[name])
        assert faults_of(mood, dev=dev) == [f"dev: column '{name}' is missing"]


@pytest.mark.parametrize(
    ("texts", "rule"),
    [
        (["a", "b", "", " \t"], "dev, 2 rows (3, 4): sentence is blank"),
        (
            ["a", "\u200b\ufeff", "\u3164", "\u2060 \xad"],
            "dev, 3 rows (2, 3, 4): sentence is blank",
        ),
        (["a", None, "c", "d"], "dev, 1 row (2): sentence is missing"),
        (["a", "b", 3, ["d"]], "dev, 2 rows (3, 4): sentence is not text"),
        (["a\udcff", "b", "c", "d"], "dev, 1 row (1): sentence is not UTF-8"),
        (["\ud800", b"b", "c", "d"], "dev, 2 rows (1, 2): sentence is not UTF-8"),
    ],
)
def test_faulty_texts(mood: Task, texts: list[Any], rule: str) -> None:
    column = pd.Series(texts, dtype="object")
    assert faults_of(mood, dev=frame(mood, 4, sentence=column)) == [rule]


def test_words_that_mean_nothing_elsewhere_are_texts(mood: Task) -> None:
    check_splits({"train": frame(mood, 4, sentence=["NA", "null", "None", "nan"])}, mood, 0.0)


def test_unknown_labels_are_quoted(mood: Task) -> None:
    labels = [0, "positve", "x", 7, 1, "y"]
    assert faults_of(mood, train=frame(mood, label=labels)) == [
        "train, 4 rows (2, 3, 4, 6): label is none of negative, positive (or 0 to 1):"
        " 'positve', 'x', 7, ..."
    ]


def test_unknown_label_that_is_not_utf8(mood: Task) -> None:
    labels = pd.Series([0, 1, "\udcff"], dtype="object")
    found = faults_of(mood, train=frame(mood, 3, label=labels))
    assert found[0].startswith("train, 1 row (3): label is none of")


def test_a_class_without_train_rows(mood: Task) -> None:
    ask = "add such rows, or leave the class out of task.labels and its rows out of the files"
    train = frame(mood, label=[0] * 6)
    assert faults_of(mood, train=train) == [f"train: no row of train has the class positive; {ask}"]
    dev = frame(mood, word="dev", label=[0] * 6)
    assert faults_of(mood, train=train, dev=dev) == [
        f"train: no row of any split has the class positive; {ask}"
    ]
    three = replace(mood, label_names=("negative", "positive", "neutral"))
    assert faults_of(three, train=train) == [
        f"train: no row of train has the class positive; {ask}",
        f"train: no row of any split has the class neutral; {ask}",
    ]


def test_a_class_that_only_train_has_is_no_fault(mood: Task) -> None:
    dev = frame(mood, word="dev", label=[0] * 6)
    check_splits({"train": frame(mood), "dev": dev}, mood, 0.0)


def test_missing_label(mood: Task) -> None:
    labels = pd.Series([0, 1, None, 0, 1, 0], dtype="object")
    assert faults_of(mood, train=frame(mood, label=labels)) == [
        "train, 1 row (3): label is missing; task.unlabelled=allow lets such rows train students"
    ]


@pytest.mark.parametrize("split", ["train", "dev"])
def test_hidden_labels_belong_to_test_splits(mood: Task, split: str) -> None:
    hidden = frame(mood, 3, "other", label=[-1, 0, 1])
    check_splits({"train": frame(mood), "test": hidden}, mood, 0.0)
    found = faults_of(mood, **{split: hidden})
    assert len(found) == 1
    assert found[0].startswith(f"{split}, 1 row (1): label is hidden (-1), which only test splits")


@pytest.mark.parametrize("label", [5.1, -0.1, 100.0])
def test_number_outside_the_range(likeness: Task, label: float) -> None:
    found = faults_of(likeness, dev=frame(likeness, 2, "dev", label=[1.0, label]))
    assert found == [f"dev, 1 row (2): label is outside 0 to 5: {label}"]


@pytest.mark.parametrize("label", ["high", float("inf"), pytest.param(10**400, id="huge")])
def test_no_finite_number(likeness: Task, label: object) -> None:
    column = pd.Series([1.0, label], dtype="object")
    found = faults_of(likeness, dev=frame(likeness, 2, "dev", label=column))
    assert found == [f"dev, 1 row (2): label is not a finite number: {label!r}"]


def test_minus_one_is_a_number_where_the_range_holds_it(likeness: Task) -> None:
    signed = replace(likeness, label_range=(-1.0, 1.0))
    good = {
        "train": frame(signed, 2, label=[-1.0, 1.0]),
        "test": frame(signed, 2, "test", label=[float("nan"), -1.0]),
    }
    report = check_splits(good, signed, 0.0)
    assert report["test"]["labels"] == {"min": -1.0, "mean": -1.0, "max": -1.0, "hidden": 1}
    free = replace(likeness, label_range=None)
    assert "task.label_range" in faults_of(free, train=frame(free, 2, label=[-1.0, 9.0]))[0]


def test_idx(mood: Task) -> None:
    assert faults_of(mood, dev=frame(mood, 4, "dev", idx=[1, 2, 1, 3])) == [
        "dev, 2 rows (1, 3): idx occurs more than once: 1"
    ]
    assert faults_of(mood, dev=frame(mood, 2, "dev", idx=["a1", 2])) == [
        "dev, 1 row (1): idx is not a whole number: 'a1'"
    ]
    assert faults_of(mood, dev=frame(mood, 2, "dev", idx=[2**63, 2])) == [
        f"dev, 1 row (1): idx has more than 64 bits: {2**63}"
    ]


def test_empty_split(mood: Task) -> None:
    assert faults_of(mood, dev=frame(mood, 0)) == ["dev: it has no rows"]


def test_every_fault_of_every_split_is_in_one_report(pair: Task) -> None:
    train = frame(pair, first=["a", "", "c", "d", "e", "f"], label=[0, 1, 0, 1, "maybe", 1])
    dev = frame(pair, 2, "dev", second=[None, "x"], idx=[4, 4])
    assert faults_of(pair, train=train, dev=dev) == [
        "train, 1 row (2): first is blank",
        "train, 1 row (5): label is none of no, yes (or 0 to 1): 'maybe'",
        "dev, 1 row (1): second is missing",
        "dev, 2 rows (1, 2): idx occurs more than once: 4",
    ]


def test_rows_keep_the_numbers_of_their_file(mood: Task) -> None:
    broken = frame(mood, 3, "dev", sentence=["a", "", "c"])
    broken.index = pd.Index([2, 3, 4], name="line")
    broken.attrs["file"] = "dev.tsv"
    assert faults_of(mood, dev=broken) == ["dev (dev.tsv), 1 line (3): sentence is blank"]


def planted(mood: Task) -> dict[str, pd.DataFrame]:
    train = frame(mood, 100)
    texts = [text.upper().replace(" ", "\u3000 ") for text in train["sentence"][:5]]
    dev = frame(mood, 50, "dev")
    dev.loc[dev.index[10:15], "sentence"] = texts
    return {"train": train, "dev": dev, "test": dev.copy()}


def test_five_planted_rows_are_counted_and_logged(
    mood: Task, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        report = check_splits(planted(mood), mood, max_overlap=0.1)
    assert report["dev"]["overlap"] == report["test"]["overlap"] == 5
    assert "mood, dev: 5 of 50 rows (10.00%) are also in train" in caplog.text


def test_five_planted_rows_are_refused_over_the_limit(mood: Task) -> None:
    assert faults_of(mood, max_overlap=0.09, **planted(mood)) == [
        "dev: 5 of 50 rows (10.00%) are also in train, more than task.max_overlap allows (9.00%);"
        " take them out of train"
    ]


def test_repeated_rows_of_train(mood: Task) -> None:
    train = frame(mood, 3, sentence=["a", "A ", "b"])
    assert check_splits({"train": train}, mood, 0.0)["train"]["repeated"] == 1
    train = frame(mood, 4, sentence=["a", "b", "a", "a"])
    assert check_splits({"train": train}, mood, 0.0)["train"]["repeated"] == 2
