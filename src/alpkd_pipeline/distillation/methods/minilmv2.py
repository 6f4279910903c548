"""MiniLMv2: how the student's last layer relates tokens to one another follows a teacher layer.

    L_inter = L_Q + L_K + L_V
    L_A = 1/B sum_b 1/(A_r |T_b|) sum_a sum_{i in T_b} KL( R_T,a,i || R_S,a,i ),   A in {Q, K, V}
    R_a = softmax(A_a A_a^T / sqrt(d_r)),  d_r = width / A_r

Queries, keys and values of the student's last layer against those of the teacher's `teacher_layer`
(0: its last), cut into A_r = `relation_heads` relation heads (0: as many as the teacher has
attention heads). Neither depth, width nor number of heads need agree, as long as A_r divides both
widths. Nothing is learned. The equation itself stands in `losses/token_match.py`.
Source: MiniLMv2 (Wang et al., Findings of ACL 2021, arXiv 2012.15828): the last layer of a
base-size teacher, an upper-middle one of a large teacher, equal weights of the three relations.
Choices of this project: the paper distils in pre-training, from the relations alone and on any
text; here the term stands beside the hard and the soft one in the fine-tuning of a task. The paper
uses more relation heads than attention heads (48 for 12), here the default is the teacher's number.
Vectors are those before rotary positions (ModernBERT) and the contents alone (DeBERTa, MPNet).

The teacher runs beside the student: its vectors are too large to be kept. The event log shows the
three parts as `watch.queries`, `watch.keys` and `watch.values`.
"""

from __future__ import annotations

from alpkd_pipeline.distillation.losses.token_match import self_relations
from alpkd_pipeline.distillation.method import Intermediate, Method, Setup
from alpkd_pipeline.distillation.signals import Signal
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import TokenLayers


class MiniLmV2(Method):
    """Divergence of self-attention relations.

    Attributes:
        teacher_layer: the teacher layer that is followed, counted from 1.
        heads: A_r.
    """

    def __init__(self, setup: Setup, *, teacher_layer: int, relation_heads: int) -> None:
        super().__init__(setup)
        heads = relation_heads or setup.sizes.teacher_heads
        if heads is None:
            raise UserError(
                "method 'minilmv2' does not know the teacher's attention heads: pass"
                " teacher_heads=..., or relation_heads=..."
            )
        self.teacher_layer = teacher_layer or setup.sizes.teacher_layers
        self.heads = heads
        self.student_tokens = TokenLayers(qkv=(setup.sizes.student_layers,))
        self.teacher_tokens = TokenLayers(qkv=(self.teacher_layer,))

    def compare(self, student: Signal, teacher: Signal | None) -> Intermediate:
        """The sum of the three divergences."""
        ours, theirs, mask = self.token_vectors("qkv", student, teacher, 1, 3)
        parts = {
            part: self_relations(ours[:, 0, i], theirs[:, 0, i], mask, self.heads)
            for i, part in enumerate(("queries", "keys", "values"))
        }
        loss = parts["queries"] + parts["keys"] + parts["values"]
        return Intermediate(loss, watch={part: value.detach() for part, value in parts.items()})
