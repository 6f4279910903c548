from functools import partial

import pytest
import torch

from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.distillation.registry import method_class
from alpkd_pipeline.errors import UserError

# Settings that differ from every default, so that one left unread would show.
OTHER_OPTIONS = {
    "layers": "last",
    "reduction": "mean",
    "projection_side": "teacher",
    "overlap": 2,
    "scale": "sqrt_d",
    "detach_weights": True,
    "mode": "concat",
    "width": 64,
    "teacher_layer": 5,
    "relation_heads": 4,
    "normalise": False,
    "shared_map": True,
    "drawn_from": "skip",
}


@pytest.fixture
def wavy(wavy):
    """Batches of 8, as many rows as any method needs."""
    return partial(wavy, examples=8)


@pytest.mark.parametrize("row", METHODS.values(), ids=METHODS)
def test_every_row_has_its_class(row):
    assert issubclass(method_class(row), Method)
    assert row.class_path.startswith("alpkd_pipeline.distillation.methods.")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (row.name, option)
        for row in METHODS.values()
        for option in row.options
        # One pair of layers: its sum is its mean.
        if (row.name, option) != ("last_layer", "reduction")
        # These say which signal is asked for, and how fast is learned, not what is done with it.
        and (row.name, option) not in {("minilmv2", "teacher_layer"), ("lad", "gate_lr")}
        # These say which blocks run; its tests look at that.
        and row.name != "theseus"
    ],
)
def test_every_option_has_an_effect(name, option, build, wavy):
    student, teacher, labels = wavy(3, grad=True), wavy(6, phase=2), torch.tensor([0, 1] * 4)
    read = [getattr(student, signal) for signal in sorted(METHODS[name].needs - {"logits"})]

    def outcome(**options):
        total = build(name, **options)(student, teacher, labels).total
        return torch.cat([g.ravel() for g in torch.autograd.grad(total, read)])

    value = METHODS[name].options[option].default
    other = OTHER_OPTIONS.get(option, not value)
    changed = outcome(**{option: "none" if other == value else other})
    assert not torch.allclose(outcome(), changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "alpkd"}, r"unknown method 'alpkd' \(did you mean 'alp_kd'\?\)"),
        ({"scal": "none"}, r"has no option 'scal' \(did you mean 'scale'\?\)"),
        ({"name": "kd", "lambda_": 0.2}, "method 'kd' has no intermediate term"),
        ({"temperature": 0.0}, "temperature=0.0 is refused"),
        ({"eta": float("nan")}, "weight eta=nan is refused"),
        ({"beta": -1.0}, "weight beta=-1.0 is refused"),
        ({"student_layers": 7}, "7 layers, more than its teacher's 6"),
        ({"student_layers": 0}, "at least 1 layer"),
        ({"student_width": 8}, "width 8 .* width 4"),
        (
            {"name": "minilmv2", "teacher_layer": 7},
            "teacher_layer=7 of method 'minilmv2' is refused: the teacher has 6 layers",
        ),
        ({"name": "all_to_one", "teacher_layer": 7}, "of method 'all_to_one' is refused"),
        ({"name": "lad", "gate_lr": 0.0}, "gate_lr=0.0 is refused: use a finite number > 0"),
        (
            {"name": "theseus", "replace_from": 1.1},
            "replace_from=1.1 is refused: use a finite number > 0 and at most 1",
        ),
        ({"name": "theseus", "student_layers": 4}, "6 layers are no 4 equal groups"),
        ({"name": "minilmv2", "relation_heads": 3}, "3 relation heads, and the teacher's width 4"),
        ({"name": "minilmv2", "teacher_heads": None}, "pass teacher_heads=..., or relation_heads"),
        ({"name": "tinybert", "student_heads": 4}, "has 4 heads and the teacher 2"),
        ({"task": "ranking"}, "unknown task 'ranking': use classification or regression"),
    ],
)
def test_refusals(changes, message, build):
    with pytest.raises(UserError, match=message):
        build(**({"name": "alp_kd"} | changes))


@pytest.mark.parametrize("name", METHODS)
def test_a_student_deeper_than_its_teacher_is_refused_by_every_method(name, build):
    with pytest.raises(UserError, match="more than its teacher's"):
        build(name, student_layers=7)


@pytest.mark.parametrize("name", METHODS)
def test_global_random_numbers_are_not_moved(name, build):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build(name, seed=9)
    assert torch.equal(torch.rand(2), expected)


def test_the_seed_decides_what_is_learned(build):
    first, again, other = (build("ckd", seed=seed).learned[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("row", METHODS.values(), ids=METHODS)
def test_a_student_as_deep_as_its_teacher(row, build):
    if row.deeper_by:
        with pytest.raises(UserError, match="at least 1 layer less than its teacher's 2"):
            build(row.name, teacher_layers=2, student_layers=2)
        build(row.name, teacher_layers=3, student_layers=2)
    else:
        build(row.name, teacher_layers=2, student_layers=2)
