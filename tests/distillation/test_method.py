"""What holds for every method of the table."""

from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from torch import nn

from alpkd_pipeline.distillation import Signal
from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import UserError

LABELS = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])
RATINGS = torch.tensor([0.5, 2.0, 4.5, 1.0, 0.0, 5.0, 3.0, 2.5])
WITH_LAYERS = [name for name, row in METHODS.items() if "layers" in row.needs]
OF_TOKENS = ("states", "scores", "qkv")
CHANGES = {
    "ckd": {"projection_side": "teacher"},
    "alp_kd": {"projection": "linear"},
    "pkd": {"projection": "linear"},
}
LEARNING = ("ckd", "ckd_no", "ckd_po", "rail_kd", "tinybert", "universal_kd", "lad")
WATCHING = ("rail_kd", "minilmv2", "tinybert", "fdd", "lad", "theseus")


@pytest.fixture
def wavy(wavy):
    """Batches of 8, as many rows as any method needs."""
    return partial(wavy, examples=8)


def cast(signal, to):
    """The signal with all its real numbers in another precision."""
    values = {f.name: getattr(signal, f.name) for f in fields(signal)}
    real = {k: v.to(to) for k, v in values.items() if v is not None and v.is_floating_point()}
    return replace(signal, **real)


@pytest.mark.parametrize("name", METHODS)
def test_total_is_the_weighted_sum_of_the_terms(name, build, wavy):
    given = {"beta": 0.3, "eta": 0.5, "lambda_": 0.4}
    given = {key: given[key] for key in weights_of(name)}
    terms = build(name, temperature=2.0, **given)(wavy(3), wavy(6, phase=2), LABELS)
    parts = {"beta": terms.hard, "eta": terms.soft, "lambda_": terms.intermediate}
    expected = sum(weight * parts[key] for key, weight in given.items())
    torch.testing.assert_close(terms.total, expected)
    for key, part in parts.items():
        assert (part is None) == (key not in given)


def weights_of(name):
    keys = {"hard": "beta", "soft": "eta", "intermediate": "lambda_"}
    return [key for term, key in keys.items() if term in METHODS[name].terms]


@pytest.mark.parametrize("name", METHODS)
def test_every_term_is_a_finite_float64_scalar(name, build, wavy):
    terms = build(name)(wavy(3), wavy(6, phase=2), LABELS)
    for part in (terms.hard, terms.soft, terms.intermediate, terms.total):
        if part is not None:
            assert part.shape == ()
            assert part.dtype == torch.float64
            assert part.isfinite()
            assert part > 0


@pytest.mark.parametrize("name", METHODS)
def test_gradients_reach_the_student_and_never_the_teacher(name, build, wavy):
    student, teacher = wavy(3, grad=True), wavy(6, phase=2, grad=True)
    build(name)(student, teacher, LABELS).total.backward()
    assert student.logits.grad is not None
    assert teacher.logits.grad is None
    for signal in ("layers", *OF_TOKENS):
        assert getattr(teacher, signal).grad is None
        gradient = getattr(student, signal).grad
        if signal in METHODS[name].needs:
            assert gradient.abs().sum() > 0
        else:
            assert gradient is None


@pytest.mark.parametrize("name", METHODS)
def test_what_is_learned_is_learned_and_saved(name, build, wavy):
    method = build(name, seed=1, **CHANGES.get(name, {}))
    learns = name in LEARNING or name in CHANGES
    assert bool(method.learned) == learns
    method(wavy(3, grad=True), wavy(6, phase=2), LABELS).total.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in method.learned)

    other = build(name, seed=2, **CHANGES.get(name, {}))
    other.load_state_dict(method.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(method.learned, other.learned, strict=True))
    assert len(method.state_dict()) == len(method.learned)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_inputs_give_the_loss_of_the_same_numbers_in_fp32(name, dtype, build, wavy):
    student, teacher = cast(wavy(3), dtype), cast(wavy(6, phase=2), dtype)
    method = build(name)
    half = method(student, teacher, LABELS).total
    full = method(cast(student, torch.float32), cast(teacher, torch.float32), LABELS).total
    assert half.dtype == torch.float32
    assert torch.equal(half, full)


@pytest.mark.parametrize("name", METHODS)
def test_mixed_precision_changes_nothing(name, build, wavy):
    student, teacher = wavy(3, width=32), wavy(6, width=32, phase=2)
    student = cast(student, torch.float32)
    method = build(name, teacher_width=32, student_width=32)
    expected = method(student, teacher, LABELS).total
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(method(student, teacher, LABELS).total, expected)


@pytest.mark.parametrize("name", METHODS)
def test_regression(name, build, wavy):
    student, teacher = wavy(3, classes=1), wavy(6, classes=1, phase=2)
    terms = build(name, task="regression")(student, teacher, RATINGS)
    expected = (student.logits[:, 0] - RATINGS).square().mean()
    torch.testing.assert_close(terms.hard, expected)
    if terms.soft is not None:
        expected = (student.logits - teacher.logits).square().mean()
        torch.testing.assert_close(terms.soft, expected)


@pytest.mark.parametrize("name", METHODS)
def test_needs(name, build):
    method = build(name)
    assert method.needs == METHODS[name].needs
    assert ("layers" in method.needs) == (name in WITH_LAYERS)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_not_needed_may_be_missing_and_what_is_needed_may_not(name, build, wavy):
    method = build(name)
    student = only(wavy(3), method.needs, mask=True)
    teacher = only(wavy(6), method.needs)
    method(student, teacher if method.needs else None, LABELS)
    if method.needs:
        with pytest.raises(UserError, match="teacher=Signal"):
            method(student, None, LABELS)
    for signal in method.needs - {"logits"}:
        with pytest.raises(UserError, match=f"reads the teacher's {signal}: pass teacher=Signal"):
            method(student, replace(teacher, **{signal: None}), LABELS)
        with pytest.raises(UserError, match=f"reads the student's {signal}: pass student=Signal"):
            method(replace(student, **{signal: None}), teacher, LABELS)


def only(signal, needs, mask=False):
    """The signal without what is not needed."""
    kept = {name: getattr(signal, name) for name in needs - {"logits"}}
    return Signal(signal.logits, **kept, mask=signal.mask if mask else None)


@pytest.mark.parametrize("name", METHODS)
def test_outputs_are_checked_at_the_door(name, build, wavy):
    with pytest.raises(UserError, match="labels have shape"):
        build(name)(wavy(3), wavy(6), LABELS[:2])


COMPARING_ROWS = [name for name, row in METHODS.items() if row.fewest_rows > 1]


@pytest.mark.parametrize("name", COMPARING_ROWS)
def test_too_few_rows_are_refused_and_have_no_term_at_an_epochs_end(name, build, wavy):
    method, fewest = build(name), METHODS[name].fewest_rows
    student, teacher = wavy(3, examples=fewest - 1, grad=True), wavy(6, examples=fewest - 1)
    labels = LABELS[: fewest - 1]
    with pytest.raises(UserError) as caught:
        method(student, teacher, labels)
    assert str(caught.value) == (
        f"method {name!r} compares the rows of a batch with one another: pass at least {fewest},"
        f" not {fewest - 1}"
    )
    terms = method(student, teacher, labels, rest=True)
    assert terms.intermediate.item() == 0.0
    terms.total.backward()
    assert student.logits.grad.abs().sum() > 0
    assert student.layers.grad is None
    enough = method(wavy(3), wavy(6, phase=2), LABELS, rest=True)
    assert enough.intermediate.item() > 0


@pytest.mark.parametrize("name", METHODS)
def test_attention_weights_are_reported_by_alp_alone_and_hold_no_graph(name, build, wavy):
    weights = build(name)(wavy(3, grad=True), wavy(6), LABELS).weights
    if name.startswith("alp"):
        assert weights.shape == (8, 3, 6)
        assert not weights.requires_grad
    else:
        assert weights is None


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_the_examples_changes_nothing(name, build, wavy):
    def turned(signal):
        values = {f.name: getattr(signal, f.name) for f in fields(signal)}
        return Signal(**{k: v.flip(0) for k, v in values.items() if v is not None})

    method, student, teacher = build(name), wavy(3), wavy(6, phase=2)
    one = method(student, teacher, LABELS)
    two = method(turned(student), turned(teacher), LABELS.flip(0))
    torch.testing.assert_close(one.total, two.total)
    for key, value in one.watch.items():
        torch.testing.assert_close(value, two.watch[key])


@pytest.mark.parametrize("name", METHODS)
def test_what_is_watched_is_a_scalar_without_a_graph(name, build, wavy):
    terms = build(name)(wavy(3, grad=True), wavy(6, phase=2), LABELS)
    assert bool(terms.watch) == (name in WATCHING)
    for value in terms.watch.values():
        assert value.shape == ()
        assert not value.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_an_epoch_may_begin_for_every_method(name, build):
    build(name).begin_epoch(3)


@pytest.mark.parametrize("name", METHODS)
def test_a_step_may_begin_for_every_method(name, build):
    build(name).begin_step(3, 9)


def test_a_method_is_no_part_of_the_student(build):
    student = nn.Linear(4, 2)
    build("ckd")
    assert set(student.state_dict()) == {"weight", "bias"}
