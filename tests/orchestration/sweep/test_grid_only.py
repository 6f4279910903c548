from __future__ import annotations

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.sweep.grid import parse_only


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
