import pytest
import torch
from torch.autograd import gradcheck

LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation_of_uniform(reduction, build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    mean = sum(teacher.layers[:, k] for k in range(6)) / 6
    per_layer = [((student.layers[:, j] - mean) ** 2).mean().item() for j in range(3)]
    expected = sum(per_layer) / (3 if reduction == "mean" else 1)
    loss = build("uniform", reduction=reduction)(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_uniform_is_alp_where_all_products_are_equal(build, wavy):
    """A student of zeros has the same product with every teacher layer."""
    student, teacher = wavy(3), wavy(6, phase=2)
    student.layers.zero_()
    uniform = build("uniform")(student, teacher, LABELS).intermediate
    attention = build("alp_kd")(student, teacher, LABELS).intermediate
    torch.testing.assert_close(uniform, attention)


def test_equation_of_last_layer(build, wavy):
    student, teacher = wavy(3, grad=True), wavy(6, phase=2)
    loss = build("last_layer")(student, teacher, LABELS).intermediate
    expected = ((student.layers[:, 2] - teacher.layers[:, 5]) ** 2).mean().item()
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    loss.backward()
    assert (student.layers.grad[:, :2] == 0).all()


def test_pair_of_last_layer(build):
    assert build("last_layer", teacher_layers=12, student_layers=4).pairs == ((4, 12),)


@pytest.mark.parametrize("seed", [0, 1, 17])
@pytest.mark.parametrize("m", [1, 4, 12])
def test_layers_of_random_layer_are_the_formula(seed, m, build):
    method = build("random_layer", teacher_layers=12, student_layers=m, seed=seed)
    order = torch.randperm(12, generator=torch.Generator("cpu").manual_seed(seed)) + 1
    assert [j for j, _ in method.pairs] == list(range(1, m + 1))
    assert [k for _, k in method.pairs] == sorted(order[:m].tolist())


def test_the_seed_alone_decides_random_layer(build):
    def pairs(seed):
        return build("random_layer", teacher_layers=12, student_layers=4, seed=seed).pairs

    first = pairs(3)
    torch.manual_seed(99)
    assert pairs(3) == first
    assert len({pairs(seed) for seed in range(8)}) > 1


def test_equation_of_random_layer(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    method = build("random_layer", seed=5)
    expected = sum(
        ((student.layers[:, j - 1] - teacher.layers[:, k - 1]) ** 2).mean().item()
        for j, k in method.pairs
    )
    loss = method(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("m", "n", "expected"),
    [
        # r = 2, 4, ..., 12; g = 13 - r
        (6, 12, (11, 9, 7, 5, 3, 1)),
        (4, 12, (10, 7, 4, 1)),
        (2, 12, (7, 1)),
        # 5/2 = 2.5 is rounded up: r = 3, 5
        (2, 5, (3, 1)),
        (3, 3, (3, 2, 1)),
    ],
)
def test_pairs_of_reversed(m, n, expected, build):
    method = build("reversed", teacher_layers=n, student_layers=m)
    assert method.pairs == tuple(enumerate(expected, start=1))


def test_equation_of_reversed(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    expected = sum(
        ((student.layers[:, j - 1] - teacher.layers[:, k - 1]) ** 2).mean().item()
        for j, k in ((1, 5), (2, 3), (3, 1))
    )
    loss = build("reversed")(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_equation_of_all_to_one(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    for asked, k in ((0, 6), (2, 2), (6, 6)):
        expected = sum(
            ((student.layers[:, j] - teacher.layers[:, k - 1]) ** 2).mean().item() for j in range(3)
        )
        loss = build("all_to_one", teacher_layer=asked)(student, teacher, LABELS).intermediate
        assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 17])
@pytest.mark.parametrize("m", [1, 4, 12])
def test_shuffled_follows_the_layers_of_random_layer_as_they_are_drawn(seed, m, build):
    shuffled, ordered = (
        [k for _, k in build(name, teacher_layers=12, student_layers=m, seed=seed).pairs]
        for name in ("shuffled", "random_layer")
    )
    order = torch.randperm(12, generator=torch.Generator("cpu").manual_seed(seed)) + 1
    assert shuffled == order[:m].tolist()
    assert sorted(shuffled) == ordered


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_can_take_the_evenly_spread_layers(seed, build):
    method = build("shuffled", drawn_from="skip", teacher_layers=12, student_layers=4, seed=seed)
    assert [j for j, _ in method.pairs] == [1, 2, 3, 4]
    assert sorted(k for _, k in method.pairs) == [3, 6, 9, 12]
    order = torch.randperm(4, generator=torch.Generator("cpu").manual_seed(seed)) + 1
    assert [k for _, k in method.pairs] == [3 * i for i in order.tolist()]


def test_equation_of_shuffled(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    method = build("shuffled", seed=5)
    expected = sum(
        ((student.layers[:, j - 1] - teacher.layers[:, k - 1]) ** 2).mean().item()
        for j, k in method.pairs
    )
    loss = method(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["all_to_one", "shuffled"])
def test_gradients(name, build, wavy):
    method, student, teacher = build(name), wavy(3, grad=True).layers, wavy(6, phase=2).layers
    assert gradcheck(lambda s: method.intermediate(s, teacher).loss, (student,))
