import math
import subprocess
import sys

import pytest

from alpkd_pipeline.distillation.method_spec import TOKEN_SIGNALS
from alpkd_pipeline.distillation.method_table import (
    METHODS,
    resolve_method,
)
from alpkd_pipeline.errors import UserError

WITH_LAYERS = [name for name in METHODS if name not in ("no_kd", "kd", "theseus")]
LEARNING = ("ckd", "ckd_no", "ckd_po", "rail_kd", "universal_kd", "minilmv2", "tinybert", "cka")
"""Methods for which other widths are no matter."""


def refusal(name, weights=None, temperature=None, options=None):
    with pytest.raises(UserError) as caught:
        resolve_method(name, weights or {}, temperature, options or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_table_is_read_without_torch():
    code = (
        "import sys; from alpkd_pipeline.distillation.method_table import resolve_method;"
        " resolve_method('alp_kd', {}, None, {}); print(sorted({'torch', 'numpy', 'pydantic'}"
        " & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_method_is_there():
    known = [
        *("no_kd", "kd", "pkd", "ckd", "ckd_no", "ckd_po", "alp_kd", "alp_no", "alp_po"),
        *("uniform", "random_layer", "last_layer", "reversed", "all_to_one", "shuffled"),
        *("rail_kd", "universal_kd", "minilmv2", "tinybert", "fdd", "cka", "lad", "theseus"),
    ]
    assert [name for name in METHODS if name in known] == known


@pytest.mark.parametrize("row", METHODS.values(), ids=METHODS)
def test_a_method_needs_the_signals_of_its_terms_and_no_others(row):
    assert "hard" in row.terms
    assert ("logits" in row.needs) == ("soft" in row.terms)
    inner = row.needs - {"logits"}
    assert bool(inner) == ("intermediate" in row.terms)
    # A pass gives either pooled layers or single tokens.
    assert inner <= {"layers"} or inner <= TOKEN_SIGNALS
    assert row.live == (bool(inner & TOKEN_SIGNALS) or row.swaps_blocks)


def test_the_teacher_of_these_methods_always_runs_beside_the_student():
    assert {"minilmv2", "tinybert", "theseus"} <= {
        name for name, row in METHODS.items() if row.live
    }
    assert not METHODS["alp_kd"].live


@pytest.mark.parametrize("row", METHODS.values(), ids=METHODS)
def test_defaults_are_accepted_by_their_own_options(row):
    for name, option in row.options.items():
        option.check(name, option.default)
        assert option.doc


def test_default_settings():
    assert resolve_method("no_kd", {}, None, {}).to_dict() == {"name": "no_kd", "beta": 1.0}
    assert resolve_method("kd", {}, None, {}).to_dict() == {
        "name": "kd",
        "beta": 0.1,
        "eta": 0.7,
        "temperature": 10.0,
        "soft_scale": "t2",
    }
    assert resolve_method("alp_po", {}, None, {}).to_dict() == {
        "name": "alp_po",
        "beta": 0.1,
        "eta": 0.7,
        "lambda": 0.2,
        "temperature": 10.0,
        "soft_scale": "t2",
        "projection": "none",
        "scale": "none",
        "detach_weights": False,
        "reduction": "sum",
        "overlap": 1,
    }


def test_the_configurations_of_alp_kd_differ_in_what_they_are_named_for():
    ours, glmkd, root = (
        resolve_method(name, {}, None, {}).to_dict()
        for name in ("alp_kd", "alp_kd_glmkd", "alp_kd_sqrt")
    )
    assert {k: v for k, v in glmkd.items() if ours[k] != v} == {
        "name": "alp_kd_glmkd",
        "temperature": 20.0,
        "soft_scale": "none",
    }
    assert {k: v for k, v in root.items() if ours[k] != v} == {
        "name": "alp_kd_sqrt",
        "scale": "sqrt_d",
    }
    given = resolve_method("alp_kd", {}, 20.0, {"soft_scale": "none"}).to_dict()
    assert given | {"name": "alp_kd_glmkd"} == glmkd


def test_a_factor_of_the_soft_term_that_nobody_knows():
    assert refusal("kd", options={"soft_scale": "t"}) == (
        "option soft_scale='t' is refused: use t2 or none"
    )
    assert "soft_scale" not in resolve_method("no_kd", {}, None, {"soft_scale": "none"}).to_dict()


def test_given_settings_win_and_none_means_the_default():
    settings = resolve_method("pkd", {"beta": 0, "eta": None, "lambda": 0.5}, 5, {"layers": "last"})
    assert (settings.beta, settings.eta, settings.lambda_) == (0.0, 0.7, 0.5)
    assert settings.temperature == 5.0
    assert isinstance(settings.temperature, float)
    assert settings.options == {
        "layers": "last",
        "normalise": True,
        "with_last": False,
        "reduction": "sum",
    }


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("alp_kdd", "alp_kd"),
        ("alp", "alp_kd"),
        ("ALP-KD", "alp_kd"),
        ("randomlayer", "random_layer"),
    ],
)
def test_unknown_method(typo, meant):
    message = refusal(typo)
    assert message.startswith(
        f"unknown method {typo!r} (did you mean {meant!r}?); known: no_kd, kd"
    )


@pytest.mark.parametrize("nonsense", ["", "zzz"])
def test_nothing_is_suggested_for_nonsense(nonsense):
    assert refusal(nonsense).startswith(f"unknown method {nonsense!r}; known: no_kd")


@pytest.mark.parametrize(
    ("name", "weight", "term"),
    [
        ("no_kd", "eta", "soft"),
        ("no_kd", "lambda", "intermediate"),
        ("kd", "lambda", "intermediate"),
    ],
)
@pytest.mark.parametrize("value", [0.5, 0.0])
def test_a_weight_for_a_term_that_the_method_lacks(name, weight, term, value):
    expected = f"method {name!r} has no {term} term: leave out its weight {weight} (given: {value})"
    assert refusal(name, {weight: value}) == expected


@pytest.mark.parametrize("weight", ["beta", "eta", "lambda"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "1e-5", True])
def test_a_weight_that_is_no_weight(weight, value):
    assert refusal("alp_kd", {weight: value}) == (
        f"weight {weight}={value!r} is refused: use a finite number >= 0"
    )


def test_an_unknown_weight():
    assert refusal("kd", {"beat": 1.0}) == (
        "unknown weight 'beat' (did you mean 'beta'?); known: beta, eta, lambda"
    )


@pytest.mark.parametrize("name", ["no_kd", "kd", "alp_kd"])
@pytest.mark.parametrize("value", [0, -2.0, math.nan, math.inf, "10"])
def test_a_temperature_that_is_no_temperature(name, value):
    assert refusal(name, temperature=value) == (
        f"temperature={value!r} is refused: use a finite number > 0"
    )


def test_an_unknown_option_names_the_closest_and_all():
    assert refusal("alp_po", options={"overlp": 2}) == (
        "method 'alp_po' has no option 'overlp' (did you mean 'overlap'?);"
        " its options: projection, soft_scale, scale, detach_weights, reduction, overlap"
    )


def test_an_option_of_another_method_is_refused():
    assert "method 'alp_kd' has no option 'overlap'" in refusal("alp_kd", options={"overlap": 1})
    assert "method 'kd' has no option 'reduction'" in refusal("kd", options={"reduction": "sum"})


@pytest.mark.parametrize("value", [0.0, -1e-6, math.nan, math.inf, "1e-6", 0, True])
def test_a_rate_that_is_none(value):
    assert refusal("lad", options={"gate_lr": value}) == (
        f"option gate_lr={value!r} is refused: use a finite number > 0"
    )


@pytest.mark.parametrize("option", ["replace_from", "replace_until"])
@pytest.mark.parametrize("value", [0.0, 1.5, math.nan, True, "1"])
def test_a_share_that_is_none(option, value):
    assert refusal("theseus", options={option: value}) == (
        f"option {option}={value!r} is refused: use a finite number > 0 and at most 1"
    )
    assert resolve_method("theseus", {}, None, {option: 1}).options[option] == 1


def test_an_option_value_that_is_not_allowed():
    assert refusal("ckd", options={"projection_side": "both"}) == (
        "option projection_side='both' is refused: use student or teacher"
    )
    assert "use none or linear" in refusal("alp_kd", options={"projection": "mlp"})


@pytest.mark.parametrize("name", METHODS)
def test_projection_and_temperature_are_kept_only_where_they_have_an_effect(name):
    settings = resolve_method(name, {}, 4.0, {"projection": "linear"}).to_dict()
    compares = name in WITH_LAYERS and name not in LEARNING
    assert ("projection" in settings) == compares
    assert ("temperature" in settings) == (name not in ("no_kd", "theseus"))
