import pytest

from alpkd_pipeline.distillation.method_spec import MethodSettings, Option
from alpkd_pipeline.errors import UserError

WORD = Option("sum", "a word", choices=("sum", "mean"))
SWITCH = Option(False, "a switch")
COUNT = Option(1, "a count", minimum=1)
RATE = Option(0.5, "a rate")


@pytest.mark.parametrize(
    ("option", "value"),
    [(WORD, "mean"), (SWITCH, True), (COUNT, 1), (COUNT, 7), (RATE, 2.0), (RATE, 2)],
)
def test_accepted(option, value):
    option.check("x", value)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        (WORD, "max", "sum or mean"),
        (WORD, 1, "sum or mean"),
        (SWITCH, 1, "true or false"),
        (SWITCH, "false", "true or false"),
        (COUNT, 0, "a whole number >= 1"),
        (COUNT, True, "a whole number >= 1"),
        (COUNT, 2.0, "a whole number >= 1"),
        (COUNT, "2", "a whole number >= 1"),
        (RATE, 0.0, "a finite number > 0"),
        (RATE, float("inf"), "a finite number > 0"),
        (RATE, "2.0", "a finite number > 0"),
    ],
)
def test_refused_with_what_is_allowed(option, value, allowed):
    with pytest.raises(UserError) as caught:
        option.check("knob", value)
    assert str(caught.value) == f"option knob={value!r} is refused: use {allowed}"


def test_settings_as_a_flat_mapping_without_what_has_no_effect():
    settings = MethodSettings("kd", 0.1, 0.7, None, 10.0, "t2", None, {})
    soft = {"temperature": 10.0, "soft_scale": "t2"}
    assert settings.to_dict() == {"name": "kd", "beta": 0.1, "eta": 0.7} | soft
    settings = MethodSettings("alp_po", 0.1, 0.7, 0.2, 5.0, "none", "none", {"overlap": 2})
    assert settings.to_dict()["lambda"] == 0.2
    assert settings.to_dict()["overlap"] == 2
