from __future__ import annotations

from typing import Any

import pytest

from alpkd_pipeline.orchestration.parameters import COORDINATES, matches

CELL = dict(zip(COORDINATES, ("mrpc", "kd", 3, 1, 0), strict=True))


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
def test_a_rule_is_for_the_cells_with_its_values(where: dict[str, Any], meant: bool) -> None:
    assert matches(where, CELL) is meant
