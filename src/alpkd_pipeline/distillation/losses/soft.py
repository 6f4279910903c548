"""The losses on outputs: the soft one against the teacher's, the hard one against the labels.

Every method has the hard term, with weight beta. No layer is looked at here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.distillation.method_spec import SoftScale
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, TaskKind


def soft_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float,
    task: TaskKind = "classification",
    scale: SoftScale = "t2",
) -> Tensor:
    """The divergence of the student's softened outputs (B, C) from the teacher's, a scalar.

        classes:     L_soft = c * 1/B sum_b KL( softmax(z_T,b / T) || softmax(z_S,b / T) )
        regression:  L_soft = 1/B sum_b (z_S,b - z_T,b)^2, T and c have no effect

    The factor c is T^2 for the scale `t2`, 1 for `none`. In nats times c, or in squared units of
    the label where C = 1 is a regression.
    Source: Hinton, Vinyals, Dean 2015, arXiv 1503.02531, section 2; the factor T^2 keeps the size
    of the gradient from shrinking with 1/T^2. GLMKD leaves it out for ALP-KD. Equation 2 of ALP-KD
    (Passban et al., AAAI 2021, arXiv 2012.14022) writes the cross-entropy with the teacher's
    distribution instead: it differs by the teacher's entropy, which the student cannot change, so
    the gradient is the same but for T^2.

    Raises:
        UserError: T is not positive, which would turn the teacher's ranking around or divide by 0.
    """
    if not temperature > 0:
        raise UserError(f"temperature={temperature!r} is refused: use a number > 0")
    student_logits, teacher_logits = raised(student_logits, teacher_logits)
    if task == "regression":
        return F.mse_loss(student_logits, teacher_logits)
    divergence = F.kl_div(
        F.log_softmax(student_logits / temperature, dim=1),
        F.log_softmax(teacher_logits / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return divergence * temperature**2 if scale == "t2" else divergence


def hard_loss(
    logits: Tensor,
    labels: Tensor,
    task: TaskKind = "classification",
    class_weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of logits (B, C) with labels (B,), or the squared error of a regression.

        classes:     L_hard = -1/B' sum_b w[y_b] log softmax(z_S,b)[y_b]
        regression:  L_hard =  1/B' sum_b (z_S,b - y_b)^2

    A scalar in nats, or in squared units of the label. Labels are int64 class ids, or real numbers
    where C = 1 is a regression. The sums run over the B' rows with a label; one without has -1, of
    a regression NaN. Choices of this project: L_hard is 0 where no row has one; class weights w
    (C,), 1 for all without them, divide nothing, so that the loss stays a mean over rows.
    Source: cross-entropy as in equation 1 of ALP-KD (Passban et al., AAAI 2021, arXiv 2012.14022),
    as a mean over the batch; squared error for STS-B, labels unscaled.
    """
    (logits,) = raised(logits)
    if task == "regression":
        known, found = ~labels.isnan(), logits.squeeze(1)
        # Rows without a label err by 0. The factor is exactly 1 where all have one.
        loss = F.mse_loss(found, torch.where(known, labels.to(logits.dtype), found.detach()))
        return loss * (len(labels) / known.sum().clamp(min=1))
    known = labels != HIDDEN_LABEL
    if class_weights is not None:
        weights = class_weights.to(logits.dtype)
        loss = F.cross_entropy(logits, labels, weights, ignore_index=HIDDEN_LABEL, reduction="sum")
        return loss / known.sum().clamp(min=1)
    loss = F.cross_entropy(logits, labels, ignore_index=HIDDEN_LABEL)
    # 0 / 0 where no row has a label. To ask the device whether one has would make it wait.
    return torch.where(known.any(), loss, 0.0)
