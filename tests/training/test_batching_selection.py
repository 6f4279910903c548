from __future__ import annotations

from dataclasses import replace

import numpy as np

from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.sources.demo import TASK
from alpkd_pipeline.training.batching import choose_rows


def split(labels: list[float] | np.ndarray) -> EncodedSplit:
    n = len(labels)
    return EncodedSplit(
        np.arange(n + 1), np.zeros(n, np.int32), None, np.asarray(labels), np.arange(n), 4, 0
    )


TRAIN, DEV = split([0] * 80 + [1] * 20), split([0, 1, 1])


def test_dev_selection_trains_on_everything() -> None:
    chosen = choose_rows(TRAIN, DEV, TASK, "dev", 0.1, seed=0)
    assert chosen.train_rows.tolist() == list(range(100))
    assert (chosen.split, chosen.name, chosen.rows.tolist()) == ("dev", "dev", [0, 1, 2])


def test_holdout_is_stratified_and_disjoint() -> None:
    for seed in range(5):
        chosen = choose_rows(TRAIN, DEV, TASK, "holdout", 0.1, seed)
        assert (chosen.split, chosen.name) == ("train", "holdout")
        assert TRAIN.labels[chosen.rows].tolist() == [0] * 8 + [1] * 2
        assert sorted([*chosen.rows, *chosen.train_rows]) == list(range(100))


def test_holdout_depends_on_the_seed_alone() -> None:
    one, again, other = (choose_rows(TRAIN, DEV, TASK, "holdout", 0.1, s).rows for s in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


def test_a_regression_is_not_stratified() -> None:
    task = replace(TASK, kind="regression", label_names=(), metrics=("pearson",))
    chosen = choose_rows(split(np.linspace(0, 5, 40)), DEV, task, "holdout", 0.25, seed=0)
    assert len(chosen.rows) == 10
