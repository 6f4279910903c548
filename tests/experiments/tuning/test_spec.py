from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PROJECT

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.tuning.spec import TuneSpec, check_not_searched

GIVEN: dict[str, Any] = {
    "tasks": ["demo"],
    "methods": ["kd", "alp_kd"],
    "layers": [4],
    "trials": 3,
    "space": {"training.lr": [1e-4, 2e-4], "method.lambda": [0.2, 0.5]},
}


def test_what_is_left_out_has_a_default() -> None:
    spec = TuneSpec.parse(GIVEN)
    assert (spec.sampler, spec.selection) == ("grid", "holdout")
    assert (spec.seeds, spec.params) == ((0,), {})


@pytest.mark.parametrize("env", ["base", "minilm", "paper"])
def test_the_project_s_searches_can_be_read(env: str) -> None:
    spec = TuneSpec.read([PROJECT / "conf" / env])
    assert spec.selection == "holdout"
    assert spec.dimensions


def test_the_paper_s_search_has_its_grid() -> None:
    space = TuneSpec.read([PROJECT / "conf" / "paper"]).space
    assert space == {
        "training.lr": [1e-5, 2e-5, 5e-5],
        "method.temperature": [5.0, 10.0, 20.0],
        "method.eta": [0.2, 0.5, 0.7],
        "method.lambda": [0.2, 0.5, 0.7],
    }


def test_the_first_file_found_is_the_whole_search(tmp_path: Path) -> None:
    for env, text in {"base": "tasks: [demo]\n", "mine": "tasks: [rte]\nmethods: [kd]\n"}.items():
        (tmp_path / env).mkdir()
        rest = "layers: [2]\ntrials: 2\nspace: {training.lr: [1e-4]}\n"
        (tmp_path / env / "tune.yml").write_text(text + rest)
    assert TuneSpec.read([tmp_path / "mine", tmp_path / "base"]).tasks == ("rte",)
    with pytest.raises(UserError, match=r"conf/base/tune\.yml: 'methods' is missing"):
        TuneSpec.read([tmp_path / "local", tmp_path / "base"])
    with pytest.raises(UserError, match=r"there is no conf/other/tune\.yml"):
        TuneSpec.read([tmp_path / "other"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trails": 3}, "did you mean 'trials'"),
        ({"trials": 0}, "'trials' = 0"),
        ({"sampler": "bayes"}, "'sampler' = 'bayes'"),
        ({"selection": "test"}, "'selection' = 'test'"),
        ({"methods": ["kdd"]}, "did you mean 'kd'"),
        ({"methods": ["kd", "kd"]}, "given twice"),
        ({"seeds": []}, "'seeds'"),
        ({"space": {}}, "space is empty"),
        ({"space": {"training.lrr": [1]}}, "did you mean 'training.lr'"),
        ({"space": {"training.lr": {"low": 1e-5, "high": 1e-3}}}, "sampler: grid needs lists"),
        ({"space": {"method.overlap": [1, 2]}}, "no method of this search has it"),
        ({"params": {"training.lr": 1e-3}}, "cannot set 'training.lr': it is in the space"),
        ({"params": {"training.selection": "dev"}}, "is 'selection' in tune.yml"),
        ({"params": {"seed": 3}}, "'seed' tells experiments apart"),
        (
            {"overrides": [{"where": {"task": "demo"}, "set": {"method.lambda": 0.1}}]},
            "cannot set 'method.lambda'",
        ),
    ],
)
def test_a_wrong_search_is_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        TuneSpec.parse({**GIVEN, **change})
    assert words in str(caught.value)
    assert str(caught.value).startswith("tune.yml: ")
    assert "\n" not in str(caught.value)


def test_the_command_line_cannot_set_what_is_searched() -> None:
    spec = TuneSpec.parse(GIVEN)
    check_not_searched(spec, {"training": {"epochs": 1}}, "--params")
    with pytest.raises(UserError, match=r"^--params cannot set 'training\.lr'"):
        check_not_searched(spec, {"training": {"lr": 1e-3}}, "--params")


def test_a_search_by_holdout_sets_what_its_teachers_leave_out() -> None:
    given = {"teacher": {"training": {"selection": "dev"}}}
    check_not_searched(TuneSpec.parse({**GIVEN, "selection": "dev"}), given, "--params")
    with pytest.raises(UserError, match=r"cannot set 'teacher\.training\.selection'"):
        check_not_searched(TuneSpec.parse(GIVEN), given, "--params")
