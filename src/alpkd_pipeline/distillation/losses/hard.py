"""The loss against the labels.

    classes:     L_hard = -1/B sum_b log softmax(z_S,b)[y_b]
    regression:  L_hard =  1/B sum_b (z_S,b - y_b)^2

Source: cross-entropy as in equation 1 of ALP-KD (Passban et al., AAAI 2021, arXiv 2012.14022),
as a mean over the batch; squared error for STS-B, labels unscaled.
Every method has this term, with weight beta. `soft` puts the teacher's outputs in the place of
the labels.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.tasks.task import TaskKind


def hard_loss(logits: Tensor, labels: Tensor, task: TaskKind = "classification") -> Tensor:
    """Cross-entropy with the labels, or the squared error of a regression.

    Args:
        logits: (B, C) of the student; C = 1 for a regression.
        labels: (B,), int64 class ids, or the real numbers of a regression.
        task: `classification` or `regression`.

    Returns:
        A scalar, in nats or in squared units of the label.
    """
    (logits,) = raised(logits)
    if task == "regression":
        return F.mse_loss(logits.squeeze(1), labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)
