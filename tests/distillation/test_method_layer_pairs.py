import torch

from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.method import LayerPairs


def test_the_measure_sees_the_chosen_layers_in_order(build):
    seen = []

    def measure(ours, theirs, reduction):
        seen.append((ours, theirs, reduction))
        return layer_match(ours, theirs, reduction)

    method = LayerPairs(build("reversed").setup, [(1, 5), (3, 2)], measure, "mean")
    student, teacher = torch.rand(2, 3, 4), torch.rand(2, 6, 4)
    method.intermediate(student, teacher)
    ours, theirs, reduction = seen[0]
    assert torch.equal(ours, student[:, [0, 2]])
    assert torch.equal(theirs, teacher[:, [4, 1]])
    assert reduction == "mean"


def test_no_pairs_give_zero(build):
    method = LayerPairs(build("reversed").setup, [], layer_match, "mean")
    assert method.intermediate(torch.rand(2, 3, 4), torch.rand(2, 6, 4)).loss.item() == 0.0
