from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.training.conftest import TRAINING

from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.sources.demo import TASK
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training import batching
from alpkd_pipeline.training.batching import Selection, choose_rows
from alpkd_pipeline.training.run_config import RunConfig


def split(labels: list[float] | np.ndarray) -> EncodedSplit:
    n = len(labels)
    return EncodedSplit(
        np.arange(n + 1), np.zeros(n, np.int32), None, np.asarray(labels), np.arange(n), 4, 0
    )


TRAIN, DEV = split([0] * 80 + [1] * 20), split([0, 1, 1])

Choose = Callable[..., Selection]


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    def found(
        how: str, fraction: float, seed: int, train: EncodedSplit = TRAIN, task: Task = TASK
    ) -> Selection:
        splits = {"train": train, "dev": DEV}
        monkeypatch.setattr(batching, "read_encoded", lambda _, name: splits[name])
        training = {**TRAINING, "selection": how, "holdout_fraction": fraction}
        params = {"training": training, "seed": seed}
        return choose_rows(RunConfig(Path(), "student", "x", task, params, {"encoded": Path()}))

    return found


def test_dev_selection_trains_on_everything(choose: Choose) -> None:
    chosen = choose("dev", 0.1, seed=0)
    assert chosen.train_rows.tolist() == list(range(100))
    assert (chosen.split, chosen.name, chosen.rows.tolist()) == ("dev", "dev", [0, 1, 2])
    assert chosen.train is TRAIN
    assert chosen.selecting is DEV


def test_holdout_is_stratified_and_disjoint(choose: Choose) -> None:
    for seed in range(5):
        chosen = choose("holdout", 0.1, seed)
        assert (chosen.split, chosen.name) == ("train", "holdout")
        assert chosen.train is chosen.selecting is TRAIN
        assert TRAIN.labels[chosen.rows].tolist() == [0] * 8 + [1] * 2
        assert sorted([*chosen.rows, *chosen.train_rows]) == list(range(100))


def test_holdout_depends_on_the_seed_alone(choose: Choose) -> None:
    one, again, other = (choose("holdout", 0.1, seed).rows for seed in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


def test_a_regression_is_not_stratified(choose: Choose) -> None:
    task = replace(TASK, kind="regression", label_names=(), metrics=("pearson",))
    chosen = choose("holdout", 0.25, seed=0, train=split(np.linspace(0, 5, 40)), task=task)
    assert len(chosen.rows) == 10
