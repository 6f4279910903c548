"""Cutting a student out of its teacher, and running it with blocks of its teacher in its own place.

Every family runs the blocks of one list after another and gives each the same mask and positions,
so that another list in its place is enough.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast, get_args

from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import fresh_model, is_head
from alpkd_pipeline.models.shape import Family, family_of
from alpkd_pipeline.run_settings import Head, Init, StudentSettings

log = logging.getLogger(__name__)


def spread(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Every k-th layer, the last one included: r(j) = floor(j*n/m + 1/2) for j = 1..m.

    In integers, because Python's `round` takes halves to the even neighbour.
    12 to 6: 2, 4, 6, 8, 10, 12. 12 to 4: 3, 6, 9, 12.
    """
    m, n = student_layers, teacher_layers
    return tuple((2 * j * n + m) // (2 * m) for j in range(1, m + 1))


def last(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """The teacher's last m layers. 12 to 4: 9, 10, 11, 12."""
    return tuple(range(teacher_layers - student_layers + 1, teacher_layers + 1))


def first(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """The teacher's first m layers. 12 to 4: 1, 2, 3, 4."""
    return tuple(range(1, student_layers + 1))


CHOICES = {"first": first, "skip": spread, "last": last}
"""Which of the source's layers a student takes over, by `init`."""


def build_student(
    start_from: PreTrainedModel,
    requested: StudentSettings,
    seed: int,
    checkpoint: PreTrainedModel | None = None,
) -> PreTrainedModel:
    """A student of m layers, in fp32 and evaluation mode, with its weights at step 0.

    `start_from` is the teacher with n layers, fine-tuned or freshly loaded from its backbone,
    `checkpoint` another encoder, as `load_classifier` returns it. The student has the class of what
    it is cut from and shares no weights with it; the global random state is left as it was.

    Raises:
        UserError: more layers than the source or the teacher has, sizes without `random` or that
            do not fit together, no checkpoint for `checkpoint`, unknown `init` or `head`.
    """
    layers, init = requested.layers, requested.init
    if init not in get_args(Init):
        raise UserError(f"student.init {init!r} is unknown; choose from {get_args(Init)}")
    if requested.head not in get_args(Head):
        raise UserError(f"student.head {requested.head!r} is unknown; choose from {get_args(Head)}")
    source = checkpoint if init == "checkpoint" else start_from
    if source is None:
        raise UserError("student.init = checkpoint needs student.checkpoint, a model to cut")
    for model, what in ((start_from, "teacher"), (source, "checkpoint")):
        has = model.config.num_hidden_layers
        if not 1 <= layers <= has:
            raise UserError(
                f"student.layers = {layers}, but the {what} has {has}; choose 1 to {has}"
            )
    if init != "random" and {
        requested.hidden_size,
        requested.heads,
        requested.intermediate_size,
    } != {None}:
        raise UserError(f"sizes of the encoder are for student.init = random, not {init}")
    chosen = CHOICES.get(init, first)(layers, source.config.num_hidden_layers)
    config = _cut_config(source.config, chosen, requested)
    student = fresh_model(type(source), config, seed)
    if init == "random":
        for part in ("embeddings", "embeddings_project"):
            start = f"{source.base_model_prefix}.{part}."
            weights = source.state_dict().items()
            _take_over(student, {key: value for key, value in weights if key.startswith(start)})
    else:
        report = student.load_state_dict(_cut_weights(source, chosen), strict=False)
        lost = [key for key in report.missing_keys if not is_head(student, key)]
        if wrong := [*lost, *report.unexpected_keys]:
            raise UserError(f"layers do not fit their new place: {wrong}")
    # An encoder before fine-tuning has no head worth copying.
    if (requested.head, requested.init_from) == ("teacher", "teacher"):
        own = {key for key in student.state_dict() if is_head(student, key)}
        weights = start_from.state_dict().items()
        head = {key: value for key, value in weights if is_head(start_from, key)}
        if own != set(head) or not _take_over(student, head):
            log.info("the teacher's head does not fit the student; it starts with a fresh one")
    return student


def _cut_config(
    config: PretrainedConfig, chosen: Sequence[int], requested: StudentSettings
) -> PretrainedConfig:
    """The configuration of an encoder with some layers only, numbered from 1, and other sizes."""
    config = copy.deepcopy(config)
    family = family_of(config.model_type)
    for name in family.per_layer:
        values = getattr(config, name)
        setattr(config, name, [values[k - 1] for k in chosen])
    setattr(config, family.layers, len(chosen))
    names = (family.width, family.heads, family.inner)
    sizes = zip(
        names, (requested.hidden_size, requested.heads, requested.intermediate_size), strict=True
    )
    given = {name: size for name, size in sizes if size is not None}
    if not given:
        return config
    for name, size in given.items():
        setattr(config, name, size)
    width, heads = config.hidden_size, config.num_attention_heads
    # Rotary positions turn the channels of a head in pairs.
    parts = 2 * heads if hasattr(config, "rope_parameters") else heads
    if width % parts:
        raise UserError(f"hidden_size {width} must be a multiple of {parts} for {heads} heads")
    if hasattr(config, "pooler_hidden_size"):
        config.pooler_hidden_size = width
    return config


def _cut_weights(source: PreTrainedModel, chosen: Sequence[int]) -> dict[str, Tensor]:
    """The backbone's weights with the chosen layers renumbered and the others left out."""
    family = family_of(source.config.model_type)
    backbone = f"{source.base_model_prefix}."
    layers = f"{backbone}{family.layers_path}."
    place = {str(k - 1): j for j, k in enumerate(chosen)}
    cut = {}
    for key, value in source.state_dict().items():
        number, _, rest = key.removeprefix(layers).partition(".")
        if key.startswith(layers) and number in place:
            cut[f"{layers}{place[number]}.{rest}"] = value
        elif key.startswith(backbone) and not key.startswith(layers):
            cut[key] = value
    return _fold_first_norm(cut, family, layers)


def _fold_first_norm(weights: dict[str, Tensor], family: Family, layers: str) -> dict[str, Tensor]:
    """Put a middle layer in the place of the first one where that has one norm less.

    ModernBERT's first layer reads the normed embeddings x = g_e * n as they are, all others read
    g_a * LN(x). With LN(x) close to x / rms(g_e), the factor g_a / rms(g_e) goes into the
    attention's input weights; it is exact where g_e is the same for all channels.
    """
    norm = f"{layers}0.{family.first_lacks_norm}."
    if norm + "weight" not in weights:
        return weights
    embedding = weights[f"{layers.split('.')[0]}.embeddings.norm.weight"]
    factor = weights[norm + "weight"] / embedding.pow(2).mean().sqrt()
    attention = f"{layers}0.attn.Wqkv.weight"
    kept = {key: value for key, value in weights.items() if not key.startswith(norm)}
    return {**kept, attention: weights[attention] * factor}


def _take_over(student: PreTrainedModel, weights: dict[str, Tensor]) -> bool:
    """Whether weights fit a student as a whole; then it has them."""
    own = student.state_dict()
    fits = all(key in own and own[key].shape == value.shape for key, value in weights.items())
    if fits:
        student.load_state_dict(weights, strict=False)
    return fits


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters in all, and without the embedding tables that depth does not change."""
    total = sum(p.numel() for p in model.parameters())
    tables = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)}
    return {"total": total, "without_embeddings": total - sum(table.numel() for table in tables)}


def encoder_blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The encoder's blocks, the first one first."""
    path = family_of(model.config.model_type).layers_path
    return cast("nn.ModuleList", model.base_model.get_submodule(path))


def check_swappable(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse a student that cannot run its teacher's blocks.

    A model makes masks and positions for the types of blocks that it has; ModernBERT's see all
    tokens or a window.
    """
    ours, theirs = student.config, teacher.config
    for name in family_of(ours.model_type).per_layer:
        if missing := set(getattr(theirs, name)) - set(getattr(ours, name)):
            raise UserError(
                f"the student has no layer of the kind {', '.join(sorted(missing))}, and its"
                " teacher's cannot run in it: take a student with more layers, another student.init"
                " or another method"
            )


@contextmanager
def swapped(student: PreTrainedModel, others: nn.ModuleList, own: Sequence[bool]) -> Iterator[None]:
    """A context in which the student of m blocks runs another model's where `own` (m,) is false.

    `others` are n blocks, a multiple of m, in the mode in which they are to run. Block j of the
    student stands for those from (j - 1) n/m + 1 to j n/m.
    """
    path = family_of(student.config.model_type).layers_path
    parent, _, name = path.rpartition(".")
    holder, blocks = student.base_model.get_submodule(parent), encoder_blocks(student)
    size = len(others) // len(blocks)
    run: list[nn.Module] = []
    for j, (block, stays) in enumerate(zip(blocks, own, strict=True)):
        run.extend([block] if stays else others[j * size : (j + 1) * size])
    setattr(holder, name, nn.ModuleList(run))
    try:
        yield
    finally:
        setattr(holder, name, blocks)
