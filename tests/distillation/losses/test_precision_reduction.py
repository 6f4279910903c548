import torch

from alpkd_pipeline.distillation.losses.precision import over_layers


def test_sum_and_mean():
    per_layer = torch.tensor([1.0, 2.0, 6.0])
    assert over_layers(per_layer, "sum").item() == 9.0
    assert over_layers(per_layer, "mean").item() == 3.0
