"""The teacher's signals on disk: one teacher pass serves every student, method and seed.

For each split two memory-mapped NumPy arrays lie in the folder, in the order of the split:
`<split>.logits.npy` (N, C) float32 and `<split>.layers.npy` (N, n, D) float16 or float32, where
n counts the teacher's layers and D is its width. A student's batch reads only its own rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from alpkd_pipeline.distillation.signals import Signal
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.mapped_file import FilePieces, release_pages, reserve
from alpkd_pipeline.tasks.teacher_table import logits_file

RELEASE_EVERY = 8  # batches after which the pages of a cache that is being written are given back
DTYPES = {"fp16": np.float16, "fp32": np.float32}


class _Output(Protocol):
    @property
    def rows(self) -> np.ndarray: ...
    @property
    def logits(self) -> Tensor: ...
    @property
    def layers(self) -> Tensor | None: ...


def write_signals(
    folder: Path, split: str, rows: int, outputs: Iterable[_Output], dtype: str
) -> None:
    """Write a teacher's outputs for one split of N rows.

    The batches together cover each row once, in any order. `dtype`, `fp16` or `fp32`, is that of
    the layers; logits are always fp32.

    Raises:
        UserError: the teacher said NaN or infinity, or a value that fp16 cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logits = layers = None
    for number, out in enumerate(outputs, 1):
        assert out.layers is not None
        said, exact = out.logits.cpu().numpy(), out.layers.cpu().numpy()
        with np.errstate(over="ignore"):
            states = exact.astype(DTYPES[dtype])
        if not (np.isfinite(said).all() and np.isfinite(exact).all()):
            raise UserError(
                f"the teacher's outputs on split '{split}' are not finite: its weights are damaged"
                " or its training diverged; make the teacher again with a lower teacher.training.lr"
            )
        if not np.isfinite(states).all():
            raise UserError(
                f"the teacher's states on split '{split}' do not fit into {dtype}:"
                " set signals.dtype=fp32"
            )
        if logits is None or layers is None:
            logits = _create(folder / logits_file(split), np.float32, (rows, *said.shape[1:]))
            path, shape = folder / f"{split}.layers.npy", (rows, *states.shape[1:])
            layers = _create(path, DTYPES[dtype], shape)
        logits[out.rows], layers[out.rows] = said, states
        if number % RELEASE_EVERY == 0:
            release_pages(layers._mmap)  # type: ignore[attr-defined]
    if logits is not None and layers is not None:
        logits.flush()
        layers.flush()


def _create(path: Path, dtype: type, shape: tuple[int, ...]) -> np.memmap:
    array = open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    reserve(path)
    return array


class CachedSignals:
    """Teacher signals of one split, read from the cache."""

    def __init__(self, folder: Path, split: str, device: torch.device, *, layers: bool) -> None:
        """Open the arrays of a split; nothing is read into memory yet."""
        self._device = device
        self._logits, self._count = _open(folder / logits_file(split))
        self._layers = _open(folder / f"{split}.layers.npy")[0] if layers else None

    def signals(self, rows: Tensor, inputs: dict[str, Tensor]) -> Signal:
        """The signals of these rows in fp32; the inputs are not looked at."""
        return self.read(rows.numpy())

    def read(self, rows: np.ndarray) -> Signal:
        """Logits (B, C) and layers (B, n, D) or None, fp32, for B rows of the split."""
        layers = None if self._layers is None else self._tensor(self._layers, rows)
        return Signal(logits=self._tensor(self._logits, rows), layers=layers)

    def _tensor(self, pieces: FilePieces, rows: np.ndarray) -> Tensor:
        values = torch.from_numpy(pieces.read(rows, rows + 1))
        return values.to(self._device, non_blocking=True).float()

    def __len__(self) -> int:
        return self._count


def _open(path: Path) -> tuple[FilePieces, int]:
    """The rows of a .npy file, read when they are asked for, and how many there are."""
    try:
        # Mapped for what its header says; arrays of objects, which would be code, cannot be.
        array = open_memmap(path, mode="r")
        return FilePieces(path, array.offset, array.dtype, array.shape[1:]), len(array)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(
            f"teacher signals {path} cannot be read ({error}): make them again with"
            " `kedro run --pipeline=distill --force signals`"
        ) from None
