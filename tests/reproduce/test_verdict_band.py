from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.reporting.conftest import Store
from tests.reporting.stored_predictions import with_predictions

from alpkd_pipeline.reproduce.original import read_run
from alpkd_pipeline.reproduce.verdict import Band, band_of, seed_band, seed_scores

LABELS = [1, 0] * 20


def test_two_seeds_are_too_few() -> None:
    assert seed_band([0.8, 0.9]) is None


def test_three_seeds_as_computed_by_hand() -> None:
    # s = 0.1, t(0.975, 2) = 4.302653, times sqrt(2)
    band = seed_band([0.7, 0.8, 0.9])
    assert band is not None
    assert band.high == pytest.approx(4.302653 * 0.1 * 2**0.5, rel=1e-6)
    assert band.low == -band.high
    assert (band.source, band.n) == ("seeds", 3)


def test_differences_of_seeds_lie_inside_as_often_as_promised() -> None:
    draws = np.random.default_rng(0).normal(0.8, 0.02, size=(2000, 5))
    inside = 0
    for scores in draws:
        band = seed_band([float(score) for score in scores[:4]])
        assert band is not None
        inside += band.holds(float(scores[4] - scores[0]))
    # Slightly more than 95 %: the original is one of the seeds that s is estimated from.
    assert 0.94 < inside / len(draws) < 0.99


def test_equal_seeds_leave_no_room_but_for_rounding() -> None:
    band = seed_band([0.8, 0.8, 0.8])
    assert band is not None
    assert band.holds(1e-15)
    assert not band.holds(1e-3)


def student(store: Store, seed: int, right: int, **more: object) -> Path:
    """A student that answers so many of 40 examples rightly."""
    predictions = LABELS[:right] + [1 - label for label in LABELS[right:]]
    folder = store.student(seed, accuracy=right / 40, **more)  # type: ignore[arg-type]
    with_predictions(store, folder, predictions, labels=LABELS, place=None)
    return folder


def test_only_runs_that_differ_in_the_seed_alone_count(store: Store) -> None:
    store.teacher()
    own = student(store, 0, 32)
    student(store, 1, 34)
    student(store, 2, 36, change=lambda params, run: params["training"].update(lr=0.1))
    student(store, 3, 20, run_type="trial")
    assert sorted(seed_scores(read_run(own))) == [0.8, 0.85]


def test_the_seeds_of_the_store_make_the_band(store: Store, tmp_path: Path) -> None:
    own = read_run(student(store, 0, 32))
    student(store, 1, 34)
    student(store, 2, 36)
    rerun = read_run(student(Store(tmp_path / "fresh"), 0, 31))
    band = band_of(own, rerun)
    assert band is not None
    assert (band.source, band.n) == ("seeds", 3)


def test_with_too_few_seeds_the_dev_examples_make_it_and_that_is_said(
    store: Store, tmp_path: Path
) -> None:
    own = read_run(student(store, 0, 32))
    rerun = read_run(student(Store(tmp_path / "fresh"), 0, 31))
    band = band_of(own, rerun)
    assert band is not None
    assert (band.source, band.n) == ("examples", 40)
    assert band.holds(-1 / 40)
    assert "40 dev examples: fewer than 3 seeds" in str(band)


def test_many_other_predictions_are_outside_of_the_examples_band(
    store: Store, tmp_path: Path
) -> None:
    own = read_run(student(store, 0, 38))
    rerun = read_run(student(Store(tmp_path / "fresh"), 0, 10))
    band = band_of(own, rerun)
    assert band is not None
    assert not band.holds(10 / 40 - 38 / 40)


def test_without_predictions_there_is_no_band(store: Store, tmp_path: Path) -> None:
    own = read_run(store.student(0))
    assert band_of(own, read_run(Store(tmp_path / "fresh").student(0))) is None


def test_the_words() -> None:
    assert str(Band("seeds", 5, -0.01, 0.01)) == "-0.0100 to +0.0100, from 5 seeds"
