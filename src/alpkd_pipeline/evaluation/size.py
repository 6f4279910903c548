"""How large a saved model is, read from the headers of its weight files: no tensor is loaded."""

from __future__ import annotations

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError

WEIGHTS = "*.safetensors"

_EMBEDDING = re.compile(r"(?:^|[._])embeddings?\.weight$")
"""Tables are named `word_embeddings.weight`, `tok_embeddings.weight`, ...; `embeddings.LayerNorm`
and `embeddings_project` are no tables."""

_LONGEST_HEADER = 100_000_000
"""The limit of the safetensors format, in bytes."""


def model_size(folder: Path) -> dict[str, int]:
    """Parameters and bytes of a model folder.

    Args:
        folder: holds model.safetensors, or its shards.

    Returns:
        `parameters`; `parameters_without_embeddings`, the part that depth changes (tables of words,
        positions and token types left out); `file_bytes` of the weight files.

    Raises:
        UserError: no weight file, or a damaged one.
    """
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise UserError(f"{folder} holds no {WEIGHTS} file: it is not a saved model")
    counts = {name: n for path in files for name, n in _parameters(path).items()}
    tables = sum(n for name, n in counts.items() if _EMBEDDING.search(name))
    total = sum(counts.values())
    return {
        "parameters": total,
        "parameters_without_embeddings": total - tables,
        "file_bytes": sum(path.stat().st_size for path in files),
    }


def _parameters(path: Path) -> dict[str, int]:
    """Tensor name -> number of values; whole numbers are buffers, such as position ids."""
    try:
        return {
            name: math.prod(entry["shape"])
            for name, entry in _header(path).items()
            if name != "__metadata__" and "F" in entry["dtype"]  # F16, BF16, F32, F64, F8_...
        }
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a safetensors file: {error!r}") from None


def _header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: 8 bytes of length, little-endian, then the text."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        return dict(json.loads(file.read(length)))
