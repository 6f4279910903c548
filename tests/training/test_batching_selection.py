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
        how: str,
        fraction: float,
        seed: int,
        train: EncodedSplit = TRAIN,
        task: Task = TASK,
        unlabelled: bool = False,
    ) -> Selection:
        splits = {"train": train, "dev": DEV}
        monkeypatch.setattr(batching, "read_encoded", lambda _, name: splits[name])
        training = {**TRAINING, "selection": how, "holdout_fraction": fraction}
        params = {"training": training, "seed": seed}
        run = RunConfig(Path(), "student", "x", task, params, {"encoded": Path()})
        return choose_rows(run, unlabelled)

    return found


def test_dev_selection_trains_on_everything(choose: Choose) -> None:
    chosen = choose("dev", 0.1, seed=0)
    assert chosen.train_rows.tolist() == list(range(100))
    assert (chosen.split, chosen.name, chosen.rows.tolist()) == ("dev", "dev", [0, 1, 2])
    assert chosen.train is TRAIN
    assert chosen.validation is DEV


def test_holdout_is_stratified_and_disjoint(choose: Choose) -> None:
    for seed in range(5):
        chosen = choose("holdout", 0.1, seed)
        assert (chosen.split, chosen.name) == ("train", "holdout")
        assert chosen.train is chosen.validation is TRAIN
        assert TRAIN.labels[chosen.rows].tolist() == [0] * 8 + [1] * 2
        assert sorted([*chosen.rows, *chosen.train_rows]) == list(range(100))


def test_holdout_depends_on_the_seed_alone(choose: Choose) -> None:
    one, again, other = (choose("holdout", 0.1, seed).rows for seed in (1, 1, 2))
    assert one.tolist() == again.tolist() != other.tolist()


def test_a_regression_is_not_stratified(choose: Choose) -> None:
    task = replace(TASK, kind="regression", label_names=(), metrics=("pearson",))
    chosen = choose("holdout", 0.25, seed=0, train=split(np.linspace(0, 5, 40)), task=task)
    assert len(chosen.rows) == 10


MIXED = split([0, -1, 1, -1, -1, 0, 0, 1])


def test_rows_without_a_label_train_only_where_they_are_wanted(choose: Choose) -> None:
    wanted, not_wanted = (choose("dev", 0.1, 0, MIXED, unlabelled=yes) for yes in (True, False))
    assert wanted.train_rows.tolist() == list(range(8))
    assert wanted.labelled is not None
    assert wanted.labelled.tolist() == [True, False, True, False, False, True, True, True]
    assert (wanted.without_label, wanted.left_out) == (3, 0)
    assert not_wanted.train_rows.tolist() == [0, 2, 5, 6, 7]
    assert (not_wanted.labelled, not_wanted.without_label, not_wanted.left_out) == (None, 0, 3)


def test_rows_without_a_label_are_never_held_out(choose: Choose) -> None:
    train = split([0, -1] * 20 + [1, -1] * 20)
    for seed in range(5):
        chosen = choose("holdout", 0.25, seed, train, unlabelled=True)
        assert sorted(train.labels[chosen.rows]) == [0] * 5 + [1] * 5
        assert chosen.without_label == 40
        labelled = choose("holdout", 0.25, seed, split([0] * 20 + [1] * 20))
        assert (chosen.rows // 2).tolist() == labelled.rows.tolist()


def test_a_regression_hides_labels_as_nan(choose: Choose) -> None:
    task = replace(TASK, kind="regression", label_names=(), metrics=("pearson",))
    train = split(np.array([0.5, np.nan, 3.0, np.nan]))
    assert choose("dev", 0.1, 0, train, task, unlabelled=True).without_label == 2
    assert choose("holdout", 0.5, 0, train, task).left_out == 2


def test_where_all_have_a_label_nothing_is_marked(choose: Choose) -> None:
    chosen = choose("dev", 0.1, 0, unlabelled=True)
    assert (chosen.labelled, chosen.without_label, chosen.left_out) == (None, 0, 0)


def test_balanced_class_weights_by_hand(choose: Choose) -> None:
    # 5 labelled rows of 2 classes, three of one and two of the other: 5 / (2 * 3), 5 / (2 * 2).
    chosen = choose("dev", 0.1, 0, MIXED, unlabelled=True)
    weights = chosen.class_weights("balanced", 2)
    assert weights is not None
    assert weights.tolist() == pytest.approx([5 / 6, 5 / 4])
    assert chosen.class_weights("none", 2) is None


def test_balanced_is_what_scikit_learn_calls_so(choose: Choose) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    chosen = choose("holdout", 0.25, 1, split([0] * 50 + [1] * 9 + [2] * 21))
    labels = chosen.train.labels[chosen.train_rows]
    weights = chosen.class_weights("balanced", 3)
    assert weights is not None
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert weights.tolist() == pytest.approx(expected.tolist())
