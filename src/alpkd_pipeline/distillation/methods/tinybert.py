"""TinyBERT: embeddings, hidden states and attention scores of the student follow the teacher's.

    L_inter = L_embd + sum_{j=1..m} ( L_attn,j + L_hidn,j )
    L_embd   = MSE(E_S W_e + b_e, E_T)              the outputs of the embeddings
    L_hidn,j = MSE(H_S,j W_h + b_h, H_T,g(j))       hidden states; W_h serves all layers
    L_attn,j = 1/H sum_h MSE(A_S,j,h, A_T,g(j),h)   scores q k^T / sqrt(d) before the softmax
    g(j) = floor(j n/m + 1/2)                       12 to 4: 3, 6, 9, 12

MSE is a mean over width (or columns), over an example's real tokens and over the batch; padding
does not count. W_h and W_e are always learned, so the widths may differ; the numbers of attention
heads must agree. Families whose scores hold more than q k^T are refused (DeBERTa, MPNet,
ModernBERT).
Source: TinyBERT (Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351), all parts with weight 1.
Its prediction-layer loss is the soft term here. Choices of this project: the paper first distils
in pre-training, then the layers and only then the predictions of a task, on augmented data; here
all terms stand side by side in the fine-tuning of a task. Where n is no multiple of m, g rounds.
The maps have biases and start from PyTorch's default; the paper writes the equations without a
bias, and its authors' code uses one map with a bias for embeddings and layers alike.

The teacher runs beside the student: its states are too large to be kept. The event log shows the
parts as `watch.embeddings`, `watch.hidden` and `watch.attention`.
"""

from __future__ import annotations

from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.losses.token_match import attention_match, token_match
from alpkd_pipeline.distillation.method import Intermediate, Method, PreciseLinear, Setup
from alpkd_pipeline.distillation.signals import Signal, token_pair
from alpkd_pipeline.models.shape import TokenLayers
from alpkd_pipeline.models.student import spread


class TinyBert(Method):
    """Squared errors of embeddings, hidden states and attention scores.

    Attributes:
        followed: g(1), ..., g(m).
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        super().__init__(setup, reduction)
        sizes = setup.sizes
        self.followed = spread(sizes.student_layers, sizes.teacher_layers)
        layers = tuple(range(1, sizes.student_layers + 1))
        self.student_tokens = TokenLayers(states=(0, *layers), scores=layers)
        self.teacher_tokens = TokenLayers(states=(0, *self.followed), scores=self.followed)
        widths = sizes.student_width, sizes.teacher_width
        self.hidden_map = PreciseLinear(*widths, device="cpu")
        self.embedding_map = PreciseLinear(*widths, device="cpu")

    def compare(self, student: Signal, teacher: Signal | None) -> Intermediate:
        """The sum of the parts."""
        m = len(self.followed)
        ours, theirs, mask = self.token_vectors("states", student, teacher, m + 1)
        batch, tokens = mask.shape
        shape = (batch, m, self.setup.sizes.teacher_heads, tokens, tokens)
        scores = token_pair(self.setup.spec.name, "scores", student, teacher, (shape, shape))
        parts = {
            "embeddings": token_match(self.embedding_map(ours[:, :1]), theirs[:, :1], mask),
            "hidden": token_match(
                self.hidden_map(ours[:, 1:]), theirs[:, 1:], mask, self.reduction
            ),
            "attention": attention_match(*scores, mask, self.reduction),
        }
        loss = parts["embeddings"] + parts["hidden"] + parts["attention"]
        return Intermediate(loss, watch={part: value.detach() for part, value in parts.items()})
