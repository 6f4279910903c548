"""The examples on which two models differ most, and where their texts come from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.reporting.conftest import Store
from tests.reporting.stored_predictions import with_predictions, with_texts

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.statistics.predictions import (
    DevPredictions,
    Predictions,
    dev_predictions,
    most_different,
    texts_of,
)
from alpkd_pipeline.store.run_folder import DamagedError, RunFolder
from alpkd_pipeline.tasks.task import Task

MOOD = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
NUMBERS = Task("likeness", "regression", ("text",), (), ("pearson",))


def model(
    task: Task, predictions: list[float], shares: list[list[float]] | None = None
) -> DevPredictions:
    given, idx = np.array(predictions), np.arange(len(predictions))
    empty = np.empty((len(idx), 0))
    rows = Predictions(idx, given, given, empty if shares is None else np.array(shares))
    return DevPredictions(RunFolder(Path("x")), task, "dev", rows)


def test_classes_by_the_distance_of_their_probabilities() -> None:
    one = model(MOOD, [1, 1, 0, 1], [[0.4, 0.6], [0.1, 0.9], [0.7, 0.3], [0.0, 1.0]])
    other = model(MOOD, [0, 0, 1, 1], [[0.6, 0.4], [0.8, 0.2], [0.2, 0.8], [0.5, 0.5]])
    # Row 3 has the same answer, however far its probabilities lie apart.
    assert most_different(one, other).tolist() == [1, 2, 0]
    assert most_different(other, one).tolist() == [1, 2, 0]


def test_classes_without_probabilities_in_the_order_of_the_rows() -> None:
    of_three = dataclasses.replace(MOOD, label_names=("bad", "so so", "good"))
    one, other = model(of_three, [0, 1, 0, 2]), model(of_three, [1, 1, 2, 0])
    assert most_different(one, other).tolist() == [0, 2, 3]
    known = model(of_three, [1, 1, 2, 0], [[0.1, 0.2, 0.7]] * 4)
    assert most_different(one, known).tolist() == [0, 2, 3]


def test_numbers_by_their_distance() -> None:
    one, other = model(NUMBERS, [1.0, 2.0, 3.0, 4.0]), model(NUMBERS, [1.5, 2.0, 0.5, 4.5])
    assert most_different(one, other).tolist() == [2, 0, 3]


@pytest.fixture
def answered(store: Store) -> DevPredictions:
    folder = store.student(0, change=_of_splits)
    with_predictions(store, folder, [1, 0, 1, 1])
    return dev_predictions(folder)


def _of_splits(params: dict[str, Any], run: dict[str, Any]) -> None:
    run["identity"]["keys"]["splits"] = "7" * 64


def test_texts_are_found_by_the_key_and_by_idx(store: Store, answered: DevPredictions) -> None:
    with_texts(store, "8" * 64, [f"other {i}" for i in range(4)])
    with_texts(store, "7" * 64, [f"text {i}" for i in range(4)], name="renamed")
    found = texts_of(answered, np.array([3, 0]))
    assert found == [
        {"sentence1": "text 3", "sentence2": "text 3, again"},
        {"sentence1": "text 0", "sentence2": "text 0, again"},
    ]


def test_splits_that_are_gone_or_damaged_are_one_line(
    store: Store, answered: DevPredictions
) -> None:
    def refused(kind: type[UserError], said: str) -> None:
        with pytest.raises(kind, match=said) as error:
            texts_of(answered, np.array([0]))
        assert "\n" not in str(error.value)

    gone = r"splits 77777777 that kd-4L-s0-\d+ was made of are not in .*--pipeline=data_prep"
    refused(UserError, gone)
    folder = with_texts(store, "7" * 64, ["a", "b", "c", "d"])
    assert texts_of(answered, np.array([1]))[0]["sentence1"] == "b"
    file = folder / "dev.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"again", b"AGAIN"))
    refused(DamagedError, r"dev\.parquet is damaged: sha256")
    file.write_bytes(whole[:-1])
    refused(UserError, gone)


def test_a_run_that_does_not_know_its_splits(store: Store) -> None:
    folder = store.student(0)
    with_predictions(store, folder, [1, 0, 1, 1])
    with_texts(store, "7" * 64, ["a", "b", "c", "d"])
    with pytest.raises(UserError, match="no texts to show"):
        texts_of(dev_predictions(folder), np.array([0]))


def test_only_the_texts_of_dev_are_read(store: Store, answered: DevPredictions) -> None:
    folder = with_texts(store, "7" * 64, ["a", "b", "c", "d"])
    assert pd.read_parquet(folder / "dev.parquet").columns.tolist()[-1] == "idx"
    (folder / "train.parquet").unlink()
    with pytest.raises(UserError, match="not all of their files"):
        texts_of(answered, np.array([0]))
