from dataclasses import replace

import pytest
import torch

from alpkd_pipeline.distillation import Signal
from alpkd_pipeline.distillation.losses.token_match import self_relations
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import TokenLayers

LABELS = torch.tensor([0, 1, 1])


def test_the_last_layers_are_asked_for(build):
    method = build("minilmv2")
    assert method.student_tokens == TokenLayers(qkv=(3,))
    assert method.teacher_tokens == TokenLayers(qkv=(6,))
    assert build("minilmv2", teacher_layer=4).teacher_tokens == TokenLayers(qkv=(4,))


@pytest.mark.parametrize(("asked", "heads"), [(0, 2), (1, 1), (4, 4)])
def test_the_three_relations_are_added_up(asked, heads, build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    terms = build("minilmv2", relation_heads=asked)(student, teacher, LABELS)
    mask = student.mask.bool()
    parts = [
        self_relations(student.qkv[:, 0, i], teacher.qkv[:, 0, i], mask, heads) for i in range(3)
    ]
    torch.testing.assert_close(terms.intermediate, sum(parts))
    assert list(terms.watch) == ["queries", "keys", "values"]
    torch.testing.assert_close(torch.stack(list(terms.watch.values())), torch.stack(parts))


def test_widths_and_heads_may_differ(build, wavy):
    method = build("minilmv2", student_width=6, student_heads=3)
    assert method(wavy(3, width=6), wavy(6, phase=2), LABELS).total.isfinite()
    assert not method.learned


def test_a_signal_of_another_layer_count_is_refused(build, wavy):
    teacher = wavy(6)
    two = replace(teacher, qkv=teacher.qkv.expand(-1, 2, -1, -1, -1))
    with pytest.raises(UserError, match=r"the layers of method\.teacher_tokens"):
        build("minilmv2")(wavy(3), two, LABELS)


def test_a_mask_is_needed(build, wavy):
    student = wavy(3)
    with pytest.raises(UserError, match="needs their mask"):
        build("minilmv2")(Signal(student.logits, qkv=student.qkv), wavy(6), LABELS)


def test_a_student_that_relates_its_tokens_as_its_teacher_has_no_loss(build, wavy):
    signal = wavy(3)
    assert build("minilmv2")(signal, signal, LABELS).intermediate.item() == pytest.approx(0)
