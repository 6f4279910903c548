"""What a training is told: the parameter blocks `teacher`, `student`, `training` and `signals`.

Declared once. Pydantic validates them where parameters come in (`project/params.py`); run.json
holds them; a training reads them from there, by the same names. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from alpkd_pipeline.constraints import COMMIT, SHA256, Block, Number, Place, Text

Init = Literal["first", "skip", "last", "random", "checkpoint"]
Head = Literal["teacher", "fresh"]


@dataclass(frozen=True, slots=True)
class TrainingSettings(Block):
    """The numbers of one training; the teacher and the student each have such a block."""

    epochs: Annotated[int, Number(ge=1)]
    batch_size: Annotated[int, Number(ge=1)]
    lr: Annotated[float, Number(gt=0)]
    warmup_ratio: Annotated[float, Number(ge=0, lt=1)]
    weight_decay: Annotated[float, Number(ge=0)]
    max_grad_norm: Annotated[float, Number(gt=0)]
    selection: Literal["dev", "holdout"]
    accumulation: Annotated[int, Number(ge=1)] = 1
    eval_batch_size: Annotated[int, Number(ge=1)] = 64
    eval_every: Annotated[int, Number(ge=1)] | Literal["epoch"] = "epoch"
    holdout_fraction: Annotated[float, Number(gt=0, lt=1)] = 0.1
    patience: Annotated[int, Number(ge=1)] | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Annotated[str, Text(r"^(auto|cpu|cuda(:\d+)?|mps)$")] = "auto"
    threads: Annotated[int, Number(ge=1)] | Literal["auto"] = "auto"
    freeze_embeddings: bool = False
    group_by_length: bool = True
    class_weights: Literal["none", "balanced"] = "none"
    log_every: Annotated[int, Number(ge=1)] = 10
    checkpoint_every: Annotated[int, Number(ge=1)] | Literal["auto", "never"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSettings(Block):
    """The encoder that teaches: fine-tuned here, or brought already fine-tuned.

    With a table as teacher it is the encoder that students begin as.
    """

    source: Literal["model", "table"] = "model"
    model: Annotated[str, Place(least=1)]
    revision: Annotated[str, Text(COMMIT)] | None = None
    sha256: Annotated[str, Text(SHA256)] | None = None
    finetuned: bool = False
    allow_constant: bool = False
    seed: Annotated[int, Number(ge=0, lt=2**31)] = 0
    training: TrainingSettings

    @property
    def is_table(self) -> bool:
        """Whether the teacher is a table and no model."""
        return self.source == "table"

    @property
    def brought(self) -> bool:
        """Whether nothing is trained here to have it."""
        return self.finetuned or self.is_table


@dataclass(frozen=True, slots=True)
class StudentSettings(Block):
    """The student's depth and its weights at step 0.

    `first`, `skip` and `last` copy everything but the other layers; `random` draws a new encoder
    and keeps the teacher's embeddings where their shapes allow; `checkpoint` takes the first layers
    of another encoder with the same tokenizer.
    """

    layers: Annotated[int, Number(ge=1)]  # m, at most the teacher's n
    init: Init = "first"
    init_from: Literal["teacher", "pretrained"] = "teacher"  # fine-tuned, or as it was before
    # `teacher` copies the classification head when it fits as a whole, `fresh` draws it; a pooler
    # inside the backbone (BERT) is copied with its layers either way
    head: Head = "teacher"
    # the sizes are for `random`; None keeps the teacher's
    hidden_size: Annotated[int, Number(ge=1)] | None = None
    heads: Annotated[int, Number(ge=1)] | None = None
    intermediate_size: Annotated[int, Number(ge=1)] | None = None
    checkpoint: Annotated[str, Place()] | None = None
    checkpoint_revision: Annotated[str, Text(COMMIT)] | None = None


@dataclass(frozen=True, slots=True)
class SignalSettings(Block):
    """What is kept of the teacher for its students."""

    source: Literal["cache", "live"] = "cache"
    dtype: Literal["fp16", "fp32"] = "fp32"
