"""Blocks of a teacher inside its student: which of them run, and what is left behind."""

from __future__ import annotations

import copy
from itertools import product

import pytest
import torch
from transformers import PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.states import forward_signal
from alpkd_pipeline.models.student import build_student, check_swappable, encoder_blocks, swapped
from alpkd_pipeline.run_settings import StudentSettings

INPUTS = {
    "input_ids": torch.tensor([[2, 7, 9, 11, 3], [2, 8, 3, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
}


def logits(model: PreTrainedModel) -> torch.Tensor:
    return forward_signal(model, INPUTS, pooling="cls", layers=False)[0]


def with_blocks(student: PreTrainedModel, teacher: PreTrainedModel, own: tuple[bool, ...]):
    """The student as it would be, had it been built from these blocks."""
    ours, theirs = encoder_blocks(student), encoder_blocks(teacher)
    chosen = [theirs[0:2], theirs[2:4]]
    blocks = [b for j in (0, 1) for b in ([ours[j]] if own[j] else chosen[j])]
    made = copy.deepcopy(teacher)
    made.load_state_dict(
        {k: v for k, v in student.state_dict().items() if k in made.state_dict()}, strict=False
    )
    place = encoder_blocks(made)
    del place[len(blocks) :]
    for number, block in enumerate(blocks):
        place[number] = copy.deepcopy(block)
    return made


@pytest.mark.parametrize("own", list(product([True, False], repeat=2)))
def test_blocks_of_both_run_in_their_places(family, make_model, own) -> None:
    teacher = make_model(family, layers=4).eval()
    student = build_student(teacher, StudentSettings(layers=2, head="fresh"), seed=3)
    # Another start than the teacher's, so that each block tells itself from others.
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.05 * torch.sin(torch.arange(parameter.numel()).view_as(parameter)))
    check_swappable(student, teacher)
    alone = logits(student)
    with swapped(student, encoder_blocks(teacher), own):
        found = logits(student)
    torch.testing.assert_close(found, logits(with_blocks(student, teacher, own)))
    assert torch.equal(found, alone) == all(own)
    assert torch.equal(logits(student), alone)


def test_gradients_pass_through_frozen_blocks_and_stay_out_of_them(family, make_model) -> None:
    teacher = make_model(family, layers=4).eval().requires_grad_(False)
    student = build_student(teacher, StudentSettings(layers=2), seed=3).requires_grad_(True).train()
    with swapped(student, encoder_blocks(teacher), (True, False)):
        total = logits(student).square().sum()
    total.backward()
    first, second = encoder_blocks(student)
    assert all(p.grad.abs().sum() > 0 for p in first.parameters() if p.ndim > 1)
    assert all(p.grad is None for p in second.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert not any(m.training for m in encoder_blocks(teacher).modules())


def test_nothing_is_left_behind_after_an_error(make_model) -> None:
    teacher = make_model("bert", layers=4)
    student = build_student(teacher, StudentSettings(layers=2), seed=3)
    blocks, names = encoder_blocks(student), list(student.state_dict())
    with (
        pytest.raises(IndexError),
        swapped(student, encoder_blocks(teacher), (False, True)),
    ):
        student(input_ids=torch.tensor([[10_000]]))
    assert encoder_blocks(student) is blocks
    assert list(student.state_dict()) == names


def test_kinds_of_layers_that_the_student_lacks_are_refused(make_model) -> None:
    teacher = make_model("modernbert", layers=4)
    student = build_student(teacher, StudentSettings(layers=1), seed=3)
    with pytest.raises(UserError) as caught:
        check_swappable(student, teacher)
    assert str(caught.value) == (
        "the student has no layer of the kind sliding_attention, and its teacher's cannot run in"
        " it: take a student with more layers, another student.init or another method"
    )
