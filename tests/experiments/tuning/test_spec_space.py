from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.tuning.spec import Range, grid, read_space, size, space_of

PAPER = {
    "training.lr": [1e-5, 2e-5, 5e-5],
    "method.temperature": [5.0, 10.0, 20.0],
    "method.eta": [0.2, 0.5, 0.7],
    "method.lambda": [0.2, 0.5, 0.7],
}


def test_a_method_searches_what_it_has() -> None:
    space = read_space(PAPER)
    sizes = {n: size(space_of(space, METHODS[n], regression=False)) for n in METHODS}
    assert (sizes["no_kd"], sizes["kd"], sizes["alp_kd"], sizes["pkd"]) == (3, 27, 81, 81)
    assert size(space_of(space, METHODS["kd"], regression=True)) == 9


def test_a_part_of_the_grid_is_the_same_every_time_and_grows() -> None:
    space = read_space(PAPER)
    few, more = grid(space, 12), grid(space, 30)
    assert few == grid(read_space(PAPER), 12)
    assert more[:12] == few
    assert len({tuple(point.values()) for point in more}) == 30
    # In random order, so that a part of it is not one corner of the space.
    assert all(len({point[name] for point in few}) == 3 for name in PAPER)


def test_methods_with_the_same_settings_try_the_same_points() -> None:
    space = read_space(PAPER)
    one, two = (space_of(space, METHODS[n], regression=False) for n in ("pkd", "alp_kd"))
    assert grid(one, 20) == grid(two, 20)


def test_a_grid_smaller_than_the_budget_is_walked_whole() -> None:
    space = read_space({"training.lr": [1e-4, 2e-4], "method.eta": [0.1, 0.5]})
    points = {tuple(point.values()) for point in grid(space, 100)}
    assert points == set(product([1e-4, 2e-4], [0.1, 0.5]))


def test_nothing_to_choose_is_one_point() -> None:
    assert (grid({}, 5), size({})) == ([{}], 1)


def test_a_range_has_no_size() -> None:
    space = read_space({"training.lr": {"low": 1e-5, "high": 1e-3, "log": True}})
    assert space == {"training.lr": Range(1e-5, 1e-3, log=True)}
    assert size(space) is None


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "space is empty"),
        ({"training.lrr": [1]}, "did you mean 'training.lr'"),
        ({"training.lr": []}, "space.training.lr"),
        ({"training.lr": 1e-4}, "a list of values or"),
        ({"training.lr": [1e-4, 1e-4]}, "listed twice"),
        ({"training.lr": [None]}, "holds None"),
        ({"training.lr": {"low": 1.0}}, "low and high"),
        ({"training.lr": {"low": 1.0, "high": 2.0, "step": 1}}, "low and high"),
        ({"training.lr": {"low": 2.0, "high": 1.0}}, "needs low < high"),
        ({"training.lr": {"low": 0, "high": 1.0, "log": True}}, "needs 0 < low < high"),
    ],
)
def test_a_wrong_space_is_one_line(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        read_space(raw)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_grid_that_fills_the_memory_is_refused() -> None:
    space = read_space({f"training.{n}": list(range(1, 1002)) for n in ("epochs", "batch_size")})
    with pytest.raises(UserError, match="1002001 points"):
        grid(space, 5)
