from __future__ import annotations

import shlex
from typing import Any

import pytest
from tests.experiments.conftest import SMALL, Grid
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.grid import SweepSpec, expand


def test_the_grid_is_every_combination_with_the_first_seed_first(grid: Grid) -> None:
    experiments = grid()
    assert len({experiment.name for experiment in experiments}) == len(experiments) == 3 * 2 * 2
    assert [experiment.coordinates["seed"] for experiment in experiments] == [0] * 6 + [1] * 6
    assert experiments[0].name == "demo no_kd 2L s0"
    assert all(
        experiment.experiment.params.teacher.seed == experiment.experiment.params.seed
        for experiment in experiments
    )


def test_every_student_with_each_teacher_of_a_list(grid: Grid) -> None:
    experiments = grid(teacher_seeds=[0, 5], methods=["kd"], layers=[1])
    seeds = [
        (experiment.experiment.params.seed, experiment.experiment.params.teacher.seed)
        for experiment in experiments
    ]
    assert seeds == [(0, 0), (0, 5), (1, 0), (1, 5)]
    assert [experiment.name for experiment in experiments][:2] == [
        "demo kd 1L s0",
        "demo kd 1L s0 t5",
    ]


RULES: dict[str, Any] = {
    "teacher_seeds": [3],
    "params": {"training.epochs": 3, "training": {"lr": 1e-5}, "task.train_rows": 50},
    "overrides": [
        {"where": {"method": "kd"}, "set": {"method.temperature": 5, "training.epochs": 4}},
        {"where": {"seed": [1]}, "set": {"training.epochs": 2}},
        {"where": {"method": ["alp_kd"]}, "set": {"method.detach_weights": True}},
    ],
}


def test_a_experiment_has_the_keys_that_kedro_run_gives_its_command(grid: Grid, load: Load) -> None:
    for experiment in grid(**RULES):
        words = shlex.split(experiment.experiment.command)
        (params,) = (w.removeprefix("--params=") for w in words if w.startswith("--params="))
        given = dict(pair.split("=") for pair in params.split(","))
        typed = {name: _typed(value) for name, value in given.items()}
        ours = experiment.experiment
        theirs = load(typed).experiment
        assert ours.student_scores.key == theirs.student_scores.key, experiment.name
        assert ours.params.plain() == theirs.params.plain()


def _typed(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def test_later_rules_win_and_the_command_line_wins_over_all(grid: Grid) -> None:
    def epochs(**params: Any) -> dict[str, int]:
        return {
            c.name: c.experiment.params.training.epochs for c in grid(params, layers=[1], **RULES)
        }

    found = epochs()
    assert found["demo alp_kd 1L s0 t3"] == 3
    assert found["demo kd 1L s0 t3"] == 4
    assert found["demo kd 1L s1 t3"] == 2
    assert set(epochs(**{"training.epochs": 9}).values()) == {9}


def test_presets_of_methods_stand_below_a_sweep(grid: Grid) -> None:
    rule = {"where": {"method": "kd"}, "set": {"method.eta": 0.1}}
    weights = {
        c.coordinates["method"]: c.experiment.params.method.eta
        for c in grid(overrides=[rule], seeds=[0])
    }
    assert weights == {"no_kd": None, "kd": 0.1, "alp_kd": 0.8}


def test_a_grid_holds_several_configurations_of_a_method(grid: Grid) -> None:
    names = ["alp_kd", "alp_kd_glmkd", "alp_kd_sqrt"]
    experiments = grid(methods=names, layers=[2], seeds=[0])
    method = [experiment.experiment.params.method for experiment in experiments]
    assert [(m.temperature, m.soft_scale) for m in method] == [
        (2.0, "t2"),
        (20.0, "none"),
        (2.0, "t2"),
    ]
    assert [m.options["scale"] for m in method] == ["none", "none", "sqrt_d"]
    assert len({experiment.experiment.student.key for experiment in experiments}) == 3


def test_excluded_experiments_are_left_out(grid: Grid) -> None:
    names = [c.name for c in grid(exclude=[{"method": ["kd", "alp_kd"], "layers": 1}, {"seed": 1}])]
    assert names == ["demo no_kd 2L s0", "demo kd 2L s0", "demo alp_kd 2L s0", "demo no_kd 1L s0"]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (
            {"exclude": [{"seed": 1}, {"method": "pkd", "layers": 1}]},
            "exclude, entry 2 (method=pkd, layers=1): no experiment of the grid is",
        ),
        (
            {"overrides": [{"where": {"task": "sst2"}, "set": {"training.lr": 1.0}}]},
            "overrides, entry 1 (where: task=sst2): it is for no experiment of the grid",
        ),
        ({"exclude": [{"seed": [0, 1]}]}, "every experiment of the grid is excluded"),
        (
            {"params": {"method.eta": 0.5}},
            "experiment demo no_kd 2L s0: method 'no_kd' has no soft term",
        ),
        ({"params": {"training.epoch": 5}}, "did you mean 'training.epochs'?"),
        ({"tasks": ["mrpc"]}, None),
    ],
)
def test_what_cannot_be_is_one_line(grid: Grid, entries: dict[str, Any], told: str | None) -> None:
    if told is None:
        assert grid(**entries)  # files and encoders are looked at when it is planned
        return
    with pytest.raises(UserError) as error:
        grid(**entries)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_setting_that_a_method_lacks_says_how_to_give_it_to_the_others(grid: Grid) -> None:
    with pytest.raises(UserError, match=r"set by an override .*\{where: \{method"):
        grid(params={"method.eta": 0.5})
    rule = {"where": {"method": ["kd", "alp_kd"]}, "set": {"method.eta": 0.5}}
    assert len(grid(overrides=[rule])) == 12


def test_only_takes_a_part_and_says_when_there_is_none(load: Load) -> None:
    spec, conf = SweepSpec.parse({**SMALL, **RULES}), load().conf
    only = {"method": ["kd"], "seed": [1]}
    assert [c.name for c in expand(spec, conf, PROJECT, only=only)] == [
        "demo kd 2L s1 t3",
        "demo kd 1L s1 t3",
    ]
    with pytest.raises(UserError, match=r"--only: no experiment of sweep.yml is seed=7"):
        expand(spec, conf, PROJECT, only={"seed": [7]})


@pytest.mark.parametrize("name", ["seed", "method.name", "student.layers", "task.name"])
def test_the_command_line_cannot_set_what_tells_experiments_apart(grid: Grid, name: str) -> None:
    with pytest.raises(UserError, match=f"--params={name}=...: it tells the experiments"):
        grid({name: 1})


def test_the_command_names_the_environment(load: Load) -> None:
    (experiment, *_) = expand(SweepSpec.parse(SMALL), load().conf, PROJECT, "minilm")
    assert experiment.experiment.command.startswith(
        "kedro run --pipeline=distill --env=minilm --params=task.name="
    )
