from __future__ import annotations

import pytest

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.parameters import check_settable, has_setting, settable


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("training.lr", set(METHODS)),
        ("method.beta", set(METHODS)),
        ("method.eta", set(METHODS) - {"no_kd"}),
        ("method.temperature", set(METHODS) - {"no_kd"}),
        ("method.soft_scale", set(METHODS) - {"no_kd"}),
        ("method.lambda", set(METHODS) - {"no_kd", "kd"}),
        ("method.overlap", {"ckd_po", "alp_po"}),
    ],
)
def test_a_method_has_what_has_an_effect_on_it(name: str, methods: set[str]) -> None:
    known = {"no_kd", "kd", "pkd", "ckd_po", "alp_kd", "alp_po", "uniform"}
    assert {n for n in known if has_setting(METHODS[n], name)} == methods & known


def test_a_regression_has_no_temperature() -> None:
    assert not has_setting(METHODS["kd"], "method.temperature", regression=True)
    assert not has_setting(METHODS["kd"], "method.soft_scale", regression=True)
    assert has_setting(METHODS["kd"], "method.eta", regression=True)


@pytest.mark.parametrize(
    "name", ["training.lr", "training.epochs", "method.lambda", "method.scale", "method.pooling"]
)
def test_what_results_depend_on_can_be_tuned(name: str) -> None:
    check_settable(name, "here")
    assert name in settable()


@pytest.mark.parametrize(
    "name",
    ["training.selection", "training.device", "method.name", "student.layers", "seed", "run.store"],
)
def test_what_defines_a_study_or_has_no_effect_cannot(name: str) -> None:
    with pytest.raises(UserError, match=f"^here: '{name}' cannot be tuned"):
        check_settable(name, "here")


def test_a_slip_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"did you mean 'method\.temperature'"):
        check_settable("method.temprature", "here")
