from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.training.toys import loaded, random_rows, tiny_bert

from alpkd_pipeline.training.batching import collate
from alpkd_pipeline.training.devices import Hardware, accelerator_for
from alpkd_pipeline.training.distill import finetune_step

ROWS = np.array([0, 1, 2])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fine_tuning_is_the_loss_against_the_labels(precision: str) -> None:
    model = tiny_bert().eval()
    batch = collate(random_rows(3), ROWS, pad_id=0)
    with accelerator_for(Hardware("cpu", "", precision, 1)) as accelerator:
        terms = finetune_step(loaded(model, accelerator), "classification")(batch)
    with torch.no_grad():
        logits = model(**batch.inputs).logits
    by_hand = [
        -(row[label] - math.log(sum(math.exp(x) for x in row)))
        for row, label in zip(logits.tolist(), batch.labels.tolist(), strict=True)
    ]
    tolerance = 1e-5 if precision == "fp32" else 0.1
    assert terms.total.item() == pytest.approx(sum(by_hand) / 3, rel=tolerance)
    assert terms.total is terms.hard
    assert (terms.soft, terms.intermediate, terms.weights) == (None, None, None)
    assert terms.total.dtype == torch.float32


def test_every_weight_gets_a_gradient() -> None:
    model = tiny_bert().eval()
    with accelerator_for(Hardware("cpu", "", "fp32", 1)) as accelerator:
        step = finetune_step(loaded(model, accelerator), "classification")
        step(collate(random_rows(3), ROWS, pad_id=0)).total.backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == set()


def test_dropout_is_the_model_s_own_affair() -> None:
    batch = collate(random_rows(3), ROWS, pad_id=0)
    with accelerator_for(Hardware("cpu", "", "fp32", 1)) as accelerator:
        step = finetune_step(loaded(tiny_bert().train(), accelerator), "classification")
        assert step(batch).total.item() != step(batch).total.item()
