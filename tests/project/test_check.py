"""What the environment's presets and the method's own defaults add to the parameters."""

from __future__ import annotations

from typing import Any

import pytest
from tests.project.test_params import with_changes

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.check import check
from alpkd_pipeline.project.params import MethodParams


def method(name: str, methods: Any = None, **given: Any) -> MethodParams:
    values = with_changes({"method": {"name": name, **given}})
    return check({**values, "methods": methods}).method


def test_the_chosen_method_takes_its_preset_and_nothing_of_others() -> None:
    presets = {"kd": {"beta": 0.25, "temperature": 7.0}, "pkd": {"beta": 0.75, "lambda": 0.5}}
    found = method("kd", presets)
    assert (found.beta, found.temperature, found.lambda_) == (0.25, 7.0, None)


def test_what_the_user_says_wins_over_the_preset() -> None:
    found = method("kd", {"kd": {"beta": 0.25, "temperature": 7.0}}, beta=0.5)
    assert (found.beta, found.temperature) == (0.5, 7.0)


@pytest.mark.parametrize("methods", [None, {}, {"kd": None}, {"pkd": {"beta": 0.1}}])
def test_without_a_preset_the_method_s_own_defaults_hold(methods: Any) -> None:
    assert method("kd", methods) == method("kd")
    assert None not in (method("kd").beta, method("kd").eta, method("kd").temperature)


def test_a_method_has_no_value_for_a_term_that_it_lacks() -> None:
    kd, none = method("kd"), method("no_kd")
    assert kd.lambda_ is None
    assert (none.eta, none.lambda_, none.temperature) == (None, None, None)


def test_options_are_filled_in_under_their_own_names() -> None:
    found = method("alp_kd", projection="linear")
    assert found.projection == "linear"
    assert "detach_weights" in found.options
    assert method("alp_kd", detach_weights=True).options["detach_weights"] is True
    assert "detach_weights" not in method("kd").options


def test_pooling_is_kept() -> None:
    assert method("alp_kd", pooling="mean").pooling == "mean"


def test_a_method_s_own_pooling_holds_until_another_is_asked_for() -> None:
    assert (method("rail_kd").pooling, method("alp_kd").pooling) == ("mean", "cls")
    assert method("rail_kd", pooling="cls").pooling == "cls"
    assert method("rail_kd", {"rail_kd": {"pooling": "cls"}}).pooling == "cls"


@pytest.mark.parametrize("name", ["rail_kd", "minilmv2", "tinybert"])
def test_checking_them_twice_changes_nothing(name: str) -> None:
    once = check(with_changes({"method": {"name": name}}))
    assert check(once.plain()) == once


def test_the_other_blocks_come_through_unchanged() -> None:
    params = check(with_changes({"seed": 5, "student.layers": 3}))
    assert (params.seed, params.student.layers) == (5, 3)


def test_checking_twice_changes_nothing() -> None:
    once = check(with_changes({"method.name": "alp_kd"}))
    assert check(once.plain()) == once


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"method": {"name": "kdd"}}, "did you mean 'kd'"),
        ({"method": {"name": "kd", "lambda": 0.5}}, "lambda"),
        ({"method": {"name": "kd", "overlap": 2}}, "overlap"),
        ({"method": {"name": "kd"}, "methods": {"kd": {"overlap": 2}}}, "overlap"),
        ({"method": {"name": None}}, "parameter 'method.name' = None"),
        ({"method": "kd"}, "parameter 'method' = 'kd'"),
        ({"method": None}, "parameter 'method' = None"),
        ({"method": {}}, "parameter 'method.name' is missing"),
    ],
)
def test_a_method_that_cannot_be_is_one_line(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        check({**with_changes({}), **values})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (["kd"], "parameter 'methods' = ['kd']"),
        ("kd", "parameter 'methods' = 'kd'"),
        ({"kd": 3}, "parameter 'methods.kd' = 3"),
        ({"pkd": ["beta"]}, "parameter 'methods.pkd' = ['beta']"),
        ({"kdd": {}}, "did you mean 'kd'"),
        ({"pkd": {"betta": 0.5}}, "parameter 'methods.pkd': "),
        ({"pkd": {"beta": -1}}, "parameter 'methods.pkd': 'beta' = -1: input should be greater"),
        ({"pkd": {"temperature": "2"}}, "parameter 'methods.pkd': 'temperature' = '2': should"),
    ],
)
def test_presets_are_checked_whether_they_are_used_or_not(methods: Any, words: str) -> None:
    with pytest.raises(UserError) as caught:
        check({**with_changes({}), "methods": methods})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"margin": {"acuracy": 1.0}}, "'compare.margin.acuracy': .*did you mean 'accuracy'"),
        ({"primary": [["alp_kd", "kdd"]]}, "'compare.primary': unknown method 'kdd' .*'kd'"),
    ],
)
def test_what_the_comparison_is_asked_in_words_that_nobody_knows_is_refused(
    block: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        check(with_changes({"compare": block}))


def test_margins_and_first_questions_in_known_words_are_kept() -> None:
    block = {"margin": {"rmse": 0.1, "matthews": 2.0}, "primary": [["alp_kd", "kd"]]}
    found = check(with_changes({"compare": block})).compare
    assert (found.margin, found.primary) == (block["margin"], (("alp_kd", "kd"),))


def test_a_list_is_no_name() -> None:
    with pytest.raises(UserError, match=r"method\.name"):
        check(with_changes({"method": {"name": ["kd"]}}))
