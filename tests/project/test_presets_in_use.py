from __future__ import annotations

from typing import Any

import pytest
from tests.project.test_params import with_changes

from alpkd_pipeline.project.check import Conf
from alpkd_pipeline.project.presets import Preset, PresetInUse, preset_in_use

BY = "tune-base-32c1e07c: best of 12 trials, holdout 0.8350, 2026-11-21"
ENTRY = {
    "where": {"task": "demo", "method": "kd", "layers": 4},
    "set": {"training.lr": 8e-4, "method.temperature": 5},
    "by": BY,
}


def of_experiment(*entries: dict[str, Any], **given: Any) -> PresetInUse | None:
    values = with_changes({"student.layers": 4, "method": {"name": "kd"}})
    return Conf({**values, "tuned": list(entries)}).preset_of(given)


def test_a_preset_in_use_says_what_it_sets_and_where_it_comes_from() -> None:
    found = of_experiment(ENTRY)
    assert found is not None
    assert found.name == "tune-base-32c1e07c"
    assert str(found) == (
        "preset in use: training.lr=0.0008, method.temperature=5.0"
        f" ({BY}; the parameter 'tuned' of conf/)"
    )


@pytest.mark.parametrize(
    "given",
    [
        {"method": {"name": "no_kd"}},
        {"student": {"layers": 3}},
        {"training": {"lr": 1e-4}, "method": {"temperature": 5.0}},
    ],
)
def test_none_is_in_use_for_another_experiment_or_where_the_command_line_wins(given: Any) -> None:
    assert of_experiment(ENTRY, **given) is None


def test_what_the_command_line_sets_is_not_the_preset_s() -> None:
    found = of_experiment(ENTRY, training={"lr": 1e-4})
    assert found is not None
    assert found.settings == {"method.temperature": 5.0}


def test_the_later_of_two_presets_wins() -> None:
    by_hand = {"where": {"method": "kd"}, "set": {"training.lr": 1e-3}}
    found = of_experiment(ENTRY, by_hand)
    assert found is not None
    assert found.settings == {"training.lr": 1e-3, "method.temperature": 5.0}
    assert found.name == "tuned, by hand+tune-base-32c1e07c"


def test_presets_that_set_nothing_are_not_in_use() -> None:
    assert preset_in_use([Preset({}, {})], {}, {}) is None
