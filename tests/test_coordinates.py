"""How some experiments of a grid are chosen."""

from __future__ import annotations

from typing import Any

import pytest

from alpkd_pipeline.coordinates import COORDINATES, chosen, matches, parse_only
from alpkd_pipeline.errors import UserError


def test_names_and_numbers() -> None:
    assert parse_only("task=mrpc, method=alp_kd|kd,layers=3,seed=0|1") == {
        "task": ["mrpc"],
        "method": ["alp_kd", "kd"],
        "layers": [3],
        "seed": [0, 1],
    }
    assert parse_only("") == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("task", "write name=value"),
        ("task=", "write name=value"),
        ("metod=kd", "unknown name 'metod'; did you mean 'method'?"),
        ("zzz=1", "known: task, method, layers, seed, teacher_seed"),
        ("seed=one", "'one' is not a whole number"),
        ("seed=0,seed=1", "'seed' is given twice; join its values by |"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        parse_only(text)
    assert told in str(error.value)


def test_a_semicolon_is_as_good_as_a_comma():
    assert parse_only("task=mrpc;seed=0") == parse_only("task=mrpc,seed=0")


REGULAR = dict(zip(COORDINATES, ("mrpc", "kd", 3, 1, 0), strict=True))


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ({}, True),
        ({"task": "mrpc"}, True),
        ({"task": "sst2"}, False),
        ({"task": ["sst2", "mrpc"], "layers": 3}, True),
        ({"task": ("sst2", "mrpc"), "layers": 2}, False),
        ({"seed": [0]}, False),
        ({"seed": 1, "teacher_seed": 0}, True),
        ({"method": "k"}, False),
        ({"method": []}, False),
        ({"unknown": 1}, False),
    ],
)
def test_a_rule_is_for_the_experiments_with_its_values(where: dict[str, Any], meant: bool) -> None:
    assert matches(where, REGULAR) is meant


EXPERIMENTS = [REGULAR, {**REGULAR, "method": "no_kd", "seed": 0}]


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("method=kd|no_dk", "none is method=no_dk; did you mean 'no_kd'?; there are: kd, no_kd"),
        ("method=no_kd|kd,seed=0|9", "none is seed=9; there are: 1, 0"),
        ("method=kd,seed=0", "none is method=kd, seed=0"),
    ],
)
def test_a_value_that_no_experiment_has_is_refused_beside_one_that_is_there(
    only: str, told: str
) -> None:
    with pytest.raises(UserError) as error:
        chosen(parse_only(only), EXPERIMENTS, "none")
    assert str(error.value) == told
    assert chosen(parse_only("method=kd"), EXPERIMENTS, "none") == [REGULAR]
