"""Is MPNet's attention faster as torch's fused one than as transformers writes it out?

    python benchmarks/speed/mpnet_attention.py --model FOLDER --out FOLDER

MPNet adds a bias of relative positions, learned and shared by all layers, to its scores, and
transformers has no fused form of that. Here bias and mask together are given as the mask to
scaled_dot_product_attention. FOLDER holds an encoder of that family. Two pieces of work on random
ids, 32 rows, in bf16, sides in turn: a pass without gradients, as the teacher's signals are made,
and a step of training with dropout. The outputs of both sides are compared in fp32.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from paired import arguments, paired, print_table, record, stopwatch, summary
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel
from transformers.models.mpnet.modeling_mpnet import MPNetSelfAttention

ROWS = 32
TOKENS = (16, 66)
"""Of a short and of a long task: SST-2's and RTE's mean."""


class Fused(MPNetSelfAttention):
    """The same attention by scaled_dot_product_attention."""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        output_attentions: bool = False,
        **_: Any,
    ) -> tuple[Tensor]:
        """(B, T, D) to (B, T, D); attentions cannot be had."""
        shape = (*hidden_states.shape[:-1], -1, self.attention_head_size)
        q, k, v = (
            part(hidden_states).view(shape).transpose(1, 2) for part in (self.q, self.k, self.v)
        )
        added = [one for one in (position_bias, attention_mask) if one is not None]
        bias = sum(added[1:], added[0]).to(q.dtype) if added else None
        found = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=bias,
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        return (self.o(found.transpose(1, 2).flatten(2)),)


def use(model: torch.nn.Module, kind: type) -> None:
    """Let every attention of a model be of one kind."""
    for module in model.modules():
        if isinstance(module, MPNetSelfAttention):
            module.__class__ = kind


def inputs_of(tokens: int, vocabulary: int) -> dict[str, Tensor]:
    """Random rows, each padded a little more than the one before."""
    draw = torch.Generator().manual_seed(0)
    mask = torch.ones(ROWS, tokens, dtype=torch.int64)
    for row in range(ROWS):
        mask[row, tokens - row % (tokens // 4) :] = 0 if row % (tokens // 4) else 1
    ids = torch.randint(5, vocabulary, (ROWS, tokens), generator=draw)
    return {"input_ids": ids, "attention_mask": mask}


def without_gradients(model: torch.nn.Module, inputs: dict[str, Tensor]) -> None:
    """As the teacher's signals are made."""
    model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        model(**inputs)


def trained(model: torch.nn.Module, inputs: dict[str, Tensor]) -> None:
    """Forward and backward, with dropout."""
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(**inputs).last_hidden_state[:, 0].float().square().mean()
    loss.backward()
    model.zero_grad(set_to_none=True)


def side(
    model: torch.nn.Module,
    kind: type,
    work: Callable[[torch.nn.Module, dict[str, Tensor]], None],
    inputs: dict[str, Tensor],
) -> Callable[[], float]:
    """One side of a comparison."""

    def run() -> float:
        use(model, kind)
        return stopwatch(lambda: work(model, inputs))

    return run


def main() -> None:
    """Read the command line, time, print and record."""
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=12, help="that the model keeps")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = AutoModel.from_pretrained(given.model, dtype=torch.float32, add_pooling_layer=False)
    model.encoder.layer = model.encoder.layer[: given.layers]
    found: dict[str, Any] = {}
    for tokens in TOKENS:
        inputs = inputs_of(tokens, model.config.vocab_size)
        outputs = []
        for kind in (MPNetSelfAttention, Fused):
            use(model.eval(), kind)
            with torch.inference_mode():
                outputs.append(model(**inputs).last_hidden_state)
        apart = (outputs[0] - outputs[1])[inputs["attention_mask"].bool()].abs().max()
        for name, work in (("signals", without_gradients), ("step", trained)):
            sides = {
                "eager": side(model, MPNetSelfAttention, work, inputs),
                "fused": side(model, Fused, work, inputs),
            }
            times = paired(sides, 1 if given.quick else given.repeats)
            key = f"{name}, {ROWS} x {tokens}"
            found[key] = {**summary(times, [("eager", "fused")]), "difference": float(apart)}
    record(
        given.out,
        "mpnet_attention",
        {"found": found, "layers": given.layers},
        threads=given.threads,
        precision="bf16",
    )
    rows = [
        [
            name,
            *facts["medians"].values(),
            facts["ratios"]["eager / fused"],
            f"{facts['difference']:.1e}",
        ]
        for name, facts in found.items()
    ]
    print_table(["work", "eager s", "fused s", "eager / fused", "apart"], rows)


if __name__ == "__main__":
    main()
