import pytest
import torch

LABELS = torch.tensor([0, 1, 1])
BUCKETS = {
    "ckd": [(1, 2, 3, 4, 5, 6)] * 3,
    "ckd_no": [(1, 2), (3, 4), (5, 6)],
    "ckd_po": [(1, 2, 3), (2, 3, 4, 5), (4, 5, 6)],
}


@pytest.mark.parametrize("name", BUCKETS)
@pytest.mark.parametrize("side", ["student", "teacher"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(name, side, reduction, build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    method = build(name, projection_side=side, reduction=reduction)
    expected = 0.0
    for j, bucket in enumerate(BUCKETS[name]):
        weight, bias = (p.double() for p in method.maps.maps[j].parameters())
        for b in range(3):
            fused = torch.cat([teacher.layers[b, k - 1] for k in bucket])
            own = student.layers[b, j]
            if side == "student":
                own = weight @ own + bias
            else:
                fused = weight @ fused + bias
            expected += ((own / own.norm() - fused / fused.norm()) ** 2).sum().item() / 3
    if reduction == "mean":
        expected /= 3
    loss = method(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", BUCKETS)
def test_shapes_of_the_maps_for_different_widths(name, build, wavy):
    method = build(name, student_width=3)
    shapes = [tuple(linear.weight.shape) for linear in method.maps.maps]
    assert shapes == [(4 * len(bucket), 3) for bucket in BUCKETS[name]]
    assert method(wavy(3, width=3), wavy(6), LABELS).total.isfinite()
    method = build(name, student_width=3, projection_side="teacher")
    shapes = [tuple(linear.weight.shape) for linear in method.maps.maps]
    assert shapes == [(3, 4 * len(bucket)) for bucket in BUCKETS[name]]
    assert method(wavy(3, width=3), wavy(6), LABELS).total.isfinite()


def test_overlap(build):
    assert build("ckd_po", overlap=2).buckets[1] == (1, 2, 3, 4, 5, 6)


def test_7_1_million_weights_per_layer_of_a_base_model(build):
    method = build("ckd", teacher_layers=12, student_layers=1, teacher_width=768, student_width=768)
    # W: (12 * 768) x 768, b: 12 * 768
    assert sum(p.numel() for p in method.learned) == 12 * 768 * 768 + 12 * 768 == 7_087_104
