from dataclasses import replace

import pytest
import torch

from alpkd_pipeline.distillation.losses.token_match import attention_match, token_match
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import TokenLayers

LABELS = torch.tensor([0, 1, 1])


def test_every_layer_is_asked_for_and_what_it_follows(build):
    method = build("tinybert", teacher_layers=12, student_layers=4)
    assert method.student_tokens == TokenLayers(states=(0, 1, 2, 3, 4), scores=(1, 2, 3, 4))
    assert method.teacher_tokens == TokenLayers(states=(0, 3, 6, 9, 12), scores=(3, 6, 9, 12))
    # 7 layers are no multiple of 3: 7/3, 14/3 and 7, rounded
    assert build("tinybert", teacher_layers=7).followed == (2, 5, 7)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_parts_are_added_up(reduction, build, wavy):
    method = build("tinybert", reduction=reduction)
    student, teacher = wavy(3), wavy(6, phase=2)
    terms, mask = method(student, teacher, LABELS), student.mask.bool()
    embedded = method.embedding_map(student.states[:, :1])
    hidden = method.hidden_map(student.states[:, 1:])
    parts = {
        "embeddings": token_match(embedded, teacher.states[:, :1], mask),
        "hidden": token_match(hidden, teacher.states[:, 1:], mask, reduction),
        "attention": attention_match(student.scores, teacher.scores, mask, reduction),
    }
    torch.testing.assert_close(terms.intermediate, sum(parts.values()))
    for name, part in parts.items():
        torch.testing.assert_close(terms.watch[name], part.detach())


def test_one_map_serves_all_layers_and_another_the_embeddings(build):
    method = build("tinybert", student_width=2)
    assert {name: tuple(p.shape) for name, p in method.named_parameters()} == {
        "hidden_map.weight": (4, 2),
        "hidden_map.bias": (4,),
        "embedding_map.weight": (4, 2),
        "embedding_map.bias": (4,),
    }
    assert not torch.equal(method.hidden_map.weight, method.embedding_map.weight)


def test_it_finds_a_teacher_that_is_within_reach(build, wavy):
    """With maps and scores that fit, nothing is left of the term."""
    method, student = build("tinybert"), wavy(3)
    with torch.no_grad():
        for linear in (method.hidden_map, method.embedding_map):
            linear.weight.copy_(2 * torch.eye(4))
            linear.bias.fill_(0.5)
    teacher = replace(student, states=2 * student.states + 0.5)
    assert method(student, teacher, LABELS).intermediate.item() == pytest.approx(0, abs=1e-10)


def test_heads_are_compared_with_heads(build, wavy):
    student, teacher = wavy(3), wavy(6)
    more = replace(teacher, scores=teacher.scores.repeat(1, 1, 2, 1, 1))
    with pytest.raises(UserError, match="teacher scores have shape"):
        build("tinybert", teacher_heads=None)(student, more, LABELS)
