"""Passes of a student in which blocks of its teacher stand in for some of its own.

Every family runs the blocks of one list after another and gives each the same mask and positions,
so that another list in its place is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from torch import nn
from transformers import PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import family_of


def encoder_blocks(model: PreTrainedModel) -> nn.ModuleList:
    """The encoder's blocks, the first one first."""
    place = family_of(model.config.model_type).layers_path
    return cast("nn.ModuleList", model.base_model.get_submodule(place))


def check_swappable(student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    """Refuse a student that cannot run its teacher's blocks.

    What blocks of a type are given (masks, positions) a model makes for the types that it has;
    ModernBERT's see all tokens or a window.
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
    """A context in which the student runs the blocks of another model where `own` is false.

    Args:
        student: a model of m blocks; outside the context it is as it was.
        others: n blocks, a multiple of m, in the mode in which they are to run. Block j of the
            student stands for those from (j - 1) n/m + 1 to j n/m.
        own: (m,) whether a block of the student runs itself.
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
