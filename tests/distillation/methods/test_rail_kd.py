import pytest
import torch

from alpkd_pipeline.distillation.losses.layer_match import unit_distance
from alpkd_pipeline.distillation.methods.rail_kd import direction_variance
from alpkd_pipeline.errors import UserError

LABELS = torch.tensor([0, 1, 1])


def test_layers_are_drawn_in_order_and_never_the_last(build):
    method = build("rail_kd", teacher_layers=6, student_layers=3, seed=5)
    drawn = set()
    for epoch in range(40):
        method.begin_epoch(epoch)
        assert len(method.drawn) == 3
        assert list(method.drawn) == sorted(set(method.drawn))
        drawn.update(method.drawn)
    assert drawn == {1, 2, 3, 4, 5}


def test_a_draw_follows_from_seed_and_epoch_alone(build):
    def draws(seed):
        method = build("rail_kd", teacher_layers=12, student_layers=4, seed=seed)
        found = [method.drawn]
        for epoch in range(5):
            method.begin_epoch(epoch)
            found.append(method.drawn)
        return found

    assert draws(1) == draws(1) != draws(2)
    assert draws(1)[0] == draws(1)[1]
    assert len(set(draws(1))) > 2
    generator = torch.Generator("cpu").manual_seed(1 * 100_003 + 4)
    expected = sorted((torch.randperm(11, generator=generator) + 1)[:4].tolist())
    assert draws(1)[5] == tuple(expected)


def test_pairs_are_mapped_and_compared(build, wavy):
    method = build("rail_kd", student_width=2, width=7, lambda_=1.0)
    method.begin_epoch(2)
    student, teacher = wavy(3, width=2), wavy(6, phase=2)
    expected = 0
    for j, k in enumerate(method.drawn):
        ours = method.student_maps.maps[j](student.layers[:, j])
        theirs = method.teacher_maps.maps[j](teacher.layers[:, k - 1])
        assert ours.shape == theirs.shape == (3, 7)
        expected = expected + unit_distance(ours, theirs).mean()
    torch.testing.assert_close(method(student, teacher, LABELS).intermediate, expected)


def test_layers_are_mapped_side_by_side(build, wavy):
    method = build("rail_kd", mode="concat", width=7)
    student, teacher = wavy(3), wavy(6, phase=2)
    chosen = torch.cat([teacher.layers[:, k - 1] for k in method.drawn], dim=1)
    ours = method.student_maps.maps[0](torch.cat(list(student.layers.unbind(1)), dim=1))
    theirs = method.teacher_maps.maps[0](chosen)
    expected = unit_distance(ours, theirs).mean()
    torch.testing.assert_close(method(student, teacher, LABELS).intermediate, expected)
    assert [tuple(p.shape) for p in method.learned] == [(7, 12), (7,), (7, 12), (7,)]


@pytest.mark.parametrize("mode", ["layer", "concat"])
def test_the_last_student_layer_can_be_left_out(mode, build, wavy):
    method = build("rail_kd", mode=mode, with_last=False, seed=2)
    drawn = set()
    for epoch in range(40):
        method.begin_epoch(epoch)
        assert len(method.drawn) == 2
        drawn.update(method.drawn)
    assert drawn == {1, 2, 3, 4, 5}
    student = wavy(3, grad=True)
    method(student, wavy(6, phase=2), LABELS).total.backward()
    assert (student.layers.grad[:, 2] == 0).all()
    assert (student.layers.grad[:, :2] != 0).any()


def test_without_the_last_layer_the_teacher_needs_none_to_spare(build, wavy):
    method = build("rail_kd", with_last=False, teacher_layers=3)
    assert method.drawn == (1, 2)
    with pytest.raises(UserError, match="this student has no other"):
        build("rail_kd", with_last=False, student_layers=1)


def test_layers_can_share_one_map_on_each_side(build, wavy):
    method = build("rail_kd", shared_map=True, student_width=2, width=7)
    assert [tuple(p.shape) for p in method.learned] == [(7, 2), (7,), (7, 4), (7,)]
    student, teacher = wavy(3, width=2), wavy(6, phase=2)
    expected = 0
    for j, k in enumerate(method.drawn):
        ours = method.student_maps.maps[0](student.layers[:, j])
        theirs = method.teacher_maps.maps[0](teacher.layers[:, k - 1])
        expected = expected + unit_distance(ours, theirs).mean()
    torch.testing.assert_close(method(student, teacher, LABELS).intermediate, expected)


def test_another_epoch_is_another_loss(build, wavy):
    method = build("rail_kd", seed=3)
    losses = []
    for epoch in range(6):
        method.begin_epoch(epoch)
        losses.append(method(wavy(3), wavy(6, phase=2), LABELS).intermediate.item())
    assert len(set(losses)) > 1


def test_both_sides_learn_and_the_teacher_does_not(build, wavy):
    method, teacher = build("rail_kd"), wavy(6, grad=True)
    method(wavy(3, grad=True), teacher, LABELS).total.backward()
    assert all(p.grad.abs().sum() > 0 for p in method.teacher_maps.parameters())
    assert teacher.layers.grad is None


def test_a_collapse_shows_in_the_variance(build, wavy):
    method = build("rail_kd")
    assert 0 < method(wavy(3), wavy(6, phase=2), LABELS).watch["teacher_variance"] <= 1
    with torch.no_grad():
        for linear in method.teacher_maps.maps:
            linear.weight.zero_()
    assert method(wavy(3), wavy(6, phase=2), LABELS).watch["teacher_variance"] == pytest.approx(0)


def test_the_variance_worked_out_by_hand():
    opposite = torch.tensor([[[2.0, 0]], [[-3.0, 0]]])
    assert direction_variance(opposite).item() == 1.0
    # (1, 0) and (0, 1): 1/4 in both directions
    assert direction_variance(torch.tensor([[[1.0, 0]], [[0, 1.0]]])).item() == 0.5
    assert direction_variance(torch.ones(3, 2, 4)).item() == pytest.approx(0, abs=1e-7)
