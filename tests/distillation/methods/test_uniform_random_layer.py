import pytest
import torch


@pytest.mark.parametrize("seed", [0, 1, 17])
@pytest.mark.parametrize("m", [1, 4, 12])
def test_layers_are_the_formula(seed, m, build):
    method = build("random_layer", teacher_layers=12, student_layers=m, seed=seed)
    order = torch.randperm(12, generator=torch.Generator("cpu").manual_seed(seed)) + 1
    assert [j for j, _ in method.pairs] == list(range(1, m + 1))
    assert [k for _, k in method.pairs] == sorted(order[:m].tolist())


def test_the_seed_alone_decides(build):
    def pairs(seed):
        return build("random_layer", teacher_layers=12, student_layers=4, seed=seed).pairs

    first = pairs(3)
    torch.manual_seed(99)
    assert pairs(3) == first
    assert len({pairs(seed) for seed in range(8)}) > 1


def test_equation(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    method = build("random_layer", seed=5)
    expected = sum(
        ((student.layers[:, j - 1] - teacher.layers[:, k - 1]) ** 2).mean().item()
        for j, k in method.pairs
    )
    loss = method(student, teacher, torch.tensor([0, 1, 1])).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)
