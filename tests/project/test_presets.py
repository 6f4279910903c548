"""What searches found, and what wins over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import PROJECT
from tests.project.conftest import Load, nested
from tests.project.test_params import with_changes

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.check import Conf, check
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.presets import Preset, read_presets
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS

KD = {"task": "demo", "method": "kd", "layers": 4}
ENTRY = {"where": KD, "set": {"training.lr": 7e-4, "method.temperature": 3.0}}


def raw(tuned: Any = None, **flat: Any) -> dict[str, Any]:
    changes = {"task.name": "demo", "student.layers": 4, "training.lr": 1e-4, **flat}
    values = with_changes({"method": {"name": "kd"}})
    return {**with_changes(changes), "method": values["method"], "tuned": tuned}


def test_a_matching_entry_wins_over_conf_and_the_method_s_preset() -> None:
    presets = {"methods": {"kd": {"temperature": 9.0, "beta": 0.3}}}
    params = check({**raw([ENTRY]), **presets})
    assert (params.training.lr, params.method.temperature) == (7e-4, 3.0)
    assert params.method.beta == 0.3


def test_the_command_line_wins_over_it() -> None:
    on_top = {"training": {"lr": 2e-4}}
    params = Conf(raw([ENTRY])).params(on_top)
    assert (params.training.lr, params.method.temperature) == (2e-4, 3.0)


@pytest.mark.parametrize(
    "where", [{**KD, "layers": 2}, {**KD, "method": "pkd"}, {**KD, "task": "rte"}]
)
def test_other_experiments_are_left_alone(where: dict[str, Any]) -> None:
    assert check(raw([{**ENTRY, "where": where}])) == check(raw())


def test_lists_and_fewer_coordinates_match_more_experiments() -> None:
    wide = {"where": {"method": ["kd", "pkd"]}, "set": {"training.lr": 5e-4}}
    assert check(raw([wide])).training.lr == 5e-4


def test_of_several_entries_the_last_wins() -> None:
    later = {"where": {"task": "demo"}, "set": {"training.lr": 9e-4}}
    params = check(raw([ENTRY, later]))
    assert (params.training.lr, params.method.temperature) == (9e-4, 3.0)


def test_what_is_on_top_decides_which_entry_matches() -> None:
    values = raw([{**ENTRY, "where": {**KD, "layers": 2}}])
    assert Conf(values).params({"student": {"layers": 2}}).training.lr == 7e-4
    assert check(values).training.lr == 1e-4


def test_an_entry_can_be_left_out_for_its_own_experiments() -> None:
    other = {"where": {"task": "demo"}, "set": {"method.beta": 0.4}}
    params = Conf(raw([ENTRY, other])).without_tuned(KD).params({})
    assert (params.training.lr, params.method.beta) == (1e-4, 0.4)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The project's conf/ with a preset for students of two layers by kd."""
    import shutil

    shutil.copytree(PROJECT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "conf" / "local").mkdir()
    entry = {**ENTRY, "where": {**KD, "layers": 2}}
    place = tmp_path / "conf" / "base" / "parameters" / "tuned.yml"
    place.write_text(yaml.safe_dump({"tuned": [entry]}))
    return tmp_path / "conf"


def tuned_loader(conf: Path, tmp_path: Path, flat: dict[str, Any]) -> ExperimentConfigLoader:
    given = nested({"run.store": str(tmp_path / "store"), **flat})
    return ExperimentConfigLoader(str(conf), runtime_params=given, **CONFIG_LOADER_ARGS)


def test_the_preset_in_conf_reaches_kedro_run(conf: Path, tmp_path: Path) -> None:
    experiment = {"method.name": "kd", "student.layers": 2}
    found = tuned_loader(conf, tmp_path, experiment)["parameters"]
    assert (found["training"]["lr"], found["method"]["temperature"]) == (7e-4, 3.0)
    assert "tuned" not in found
    asked = tuned_loader(conf, tmp_path, {**experiment, "training.lr": 2e-4})["parameters"]
    assert (asked["training"]["lr"], asked["method"]["temperature"]) == (2e-4, 3.0)


def test_keys_of_the_tuned_experiments_change_and_no_others(
    conf: Path, tmp_path: Path, load: Load
) -> None:
    experiments = [{"method.name": m, "student.layers": n} for m in ("kd", "pkd") for n in (2, 4)]
    plain = [load(experiment).experiment for experiment in experiments]
    tuned = [tuned_loader(conf, tmp_path, experiment).experiment for experiment in experiments]
    changed = [a.student.key != b.student.key for a, b in zip(plain, tuned, strict=True)]
    assert changed == [True, False, False, False]
    assert all(a.teacher.key == b.teacher.key for a, b in zip(plain, tuned, strict=True))
    # The same values by hand are the same experiment.
    by_hand = load({**experiments[0], "training.lr": 7e-4, "method.temperature": 3.0}).experiment
    assert by_hand.student.key == tuned[0].student.key


def test_an_entry_reads_back_as_it_is_written() -> None:
    preset = Preset(KD, {"training.lr": 1e-3}, "a remark")
    assert read_presets([preset.plain()]) == (preset,)


@pytest.mark.parametrize(
    ("tuned", "words"),
    [
        ({"kd": {}}, "should be a list"),
        ([3], "entry 1 = 3: should have where and set"),
        ([{"where": KD}], "should have where and set"),
        ([{**ENTRY, "sett": {}}], "should have where and set"),
        ([{**ENTRY, "set": [1]}], "should map names to values"),
        ([{**ENTRY, "where": {"seed": 1}}], "where does not know 'seed'"),
        ([ENTRY, {**ENTRY, "set": {"training.lrr": 1}}], "entry 2: 'training.lrr' cannot be tuned"),
        ([{**ENTRY, "set": {"student.layers": 2}}], "'student.layers' cannot be tuned"),
        (
            [{**ENTRY, "set": {"method.lambda": 0.5}}],
            "method 'kd' has nothing that 'method.lambda'",
        ),
        ([{**ENTRY, "where": {"method": "kdd"}}], "did you mean 'kd'"),
        ([{"where": {}, "set": {"method.lambda": 0.5}}], "method 'kd' has nothing"),
        ([{**ENTRY, "set": {"training.lr": "fast"}}], "'training.lr' = 'fast'"),
    ],
)
def test_a_wrong_entry_is_one_line(tuned: Any, words: str) -> None:
    with pytest.raises(UserError) as caught:
        check(raw(tuned))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_entries_are_checked_whether_they_are_used_or_not() -> None:
    unused = {"where": {"task": "rte", "method": "no_kd"}, "set": {"method.eta": 0.5}}
    with pytest.raises(UserError, match="no_kd"):
        check(raw([unused]))
