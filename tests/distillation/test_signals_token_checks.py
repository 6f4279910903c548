import pytest
import torch

from alpkd_pipeline.distillation.signals import SHAPES, Signal, token_mask, token_pair
from alpkd_pipeline.errors import UserError

LOGITS = torch.zeros(2, 3)


def signal(**shapes):
    return Signal(LOGITS, **{name: torch.zeros(shape) for name, shape in shapes.items()})


def test_a_mask_becomes_true_and_false():
    mask = token_mask("tinybert", Signal(LOGITS, mask=torch.tensor([[1, 1], [1, 0]])))
    assert mask.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("shape", "found"), [(None, "none"), ((3, 2), "(3, 2)"), ((2, 2, 1), "(2, 2, 1)")]
)
def test_a_mask_is_one_row_an_example(shape, found):
    given = Signal(LOGITS, mask=None if shape is None else torch.ones(shape))
    with pytest.raises(UserError) as caught:
        token_mask("tinybert", given)
    assert (
        f"2 examples and needs their mask (found: {'' if shape is None else 'shape '}{found})"
        in (str(caught.value))
    )


@pytest.mark.parametrize("name", SHAPES)
def test_a_signal_that_is_missing_is_named_with_its_side(name):
    here = Signal(LOGITS, **{name: torch.zeros(2)})
    with pytest.raises(UserError, match=f"reads the student's {name}: pass student=Signal"):
        token_pair("m", name, Signal(LOGITS), here, ((2,), (2,)))
    with pytest.raises(UserError, match=f"reads the teacher's {name}: pass teacher=Signal"):
        token_pair("m", name, here, None, ((2,), (2,)))


def test_the_teacher_is_cut_off():
    one = Signal(LOGITS, states=torch.zeros(2, 1, 4, 6, requires_grad=True))
    ours, theirs = token_pair("m", "states", one, one, ((2, 1, 4, 6), (2, 1, 4, 6)))
    assert ours.requires_grad
    assert not theirs.requires_grad


def test_shapes_are_compared_and_explained():
    with pytest.raises(UserError) as caught:
        token_pair(
            "tinybert",
            "states",
            signal(states=(2, 3, 4, 6)),
            signal(states=(2, 13, 4, 6)),
            ((2, 3, 4, 6), (2, 3, 4, 6)),
        )
    assert str(caught.value) == (
        "teacher states have shape (2, 13, 4, 6), method 'tinybert' expects (2, 3, 4, 6), that is"
        " (examples, layers, tokens, width): pass the layers of method.teacher_tokens, in its"
        " order"
    )


def test_what_may_be_anything_is_the_same_on_both_sides():
    free = (2, 1, None, 4, 4)
    two, three = signal(scores=(2, 1, 2, 4, 4)), signal(scores=(2, 1, 3, 4, 4))
    token_pair("tinybert", "scores", two, two, (free, free))
    with pytest.raises(UserError, match=r"teacher scores have shape \(2, 1, 3, 4, 4\)"):
        token_pair("tinybert", "scores", two, three, (free, free))
