"""Whether config.json and weights speak of one model, known before anything is allocated.

The library builds whatever config.json asks for, gives random numbers to what the weights lack and
leaves out what they have more. Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.model_files import CONFIG
from alpkd_pipeline.models.shape import family_of, shape_of

MOST_OUTPUTS = 100_000
"""Outputs of a classifier that config.json may ask for: the library writes a name for each."""

Shapes = Mapping[str, tuple[int, ...]]


def check_sizes(folder: Path, config: Mapping[str, Any], shapes: Shapes) -> None:
    """Refuse sizes in a folder's config.json that are not those of its weights."""
    path, shape = folder / CONFIG, shape_of(config)
    family = family_of(shape.model_type)
    pattern = re.compile(rf"(?:^|\.){re.escape(family.layers_path)}\.(\d+)\.")
    layers = len({found[1] for name in shapes if (found := pattern.search(name))})
    if layers != shape.layers:
        words = f"the weights have {layers} layers"
        raise _contradiction(path, family.layers, shape.layers, words, layers)
    wide = _size(path, config, "embedding_size") or family.embedding or shape.width
    for name, (weight, dimension) in family.weights.items():
        value = shape.width if name == family.width else _size(path, config, name)
        sizes = _find(shapes, weight)
        # DeBERTa may do without a table of positions.
        unbiased = (
            name == "max_position_embeddings" and config.get("position_biased_input") is False
        )
        if sizes is None and value and not unbiased:
            raise UserError(
                f"{folder} is not a whole encoder: {weight} missing in its weights, though"
                f" {CONFIG} says {name} = {value}; copy all files of the model again"
            )
        if sizes is not None and value is not None:
            _check_size(path, name, value, weight, sizes, dimension)
        if sizes is not None and "embeddings" in weight:
            name = family.width if wide == shape.width else "embedding_size"
            _check_size(path, name, wide, weight, sizes, 1)
    _check_relative_positions(path, config, shapes)
    # Layers may differ in one file. The first one was looked at, the others cannot be larger.
    inner = _size(path, config, family.inner) or 0
    least = shape.layers * (4 * shape.width**2 + 2 * shape.width * inner)
    if (has := sum(map(math.prod, shapes.values()))) < least:
        raise UserError(
            f"{folder} is not a whole encoder: the layers of its {CONFIG} have at least {least}"
            f" numbers, its weights {has}; copy all files of the model again"
        )
    if (outputs := _size(path, config, "num_labels") or 0) > MOST_OUTPUTS:
        raise UserError(f"{path} says num_labels = {outputs}, at most {MOST_OUTPUTS} are read")


def _check_size(
    path: Path, name: str, value: int, weight: str, sizes: tuple[int, ...], dimension: int
) -> None:
    has = sizes[dimension] if dimension < len(sizes) else 0
    if value != has:
        words = f"{weight} has the shape {' x '.join(map(str, sizes))}"
        raise _contradiction(path, name, value, words, has)


def _check_relative_positions(path: Path, config: Mapping[str, Any], shapes: Shapes) -> None:
    """DeBERTa has two rows for each distance or, where it counts in buckets, for each bucket."""
    weight = "encoder.rel_embeddings.weight"
    if not config.get("relative_attention"):
        return
    names = ("position_buckets", "max_relative_positions", "max_position_embeddings")
    sizes = {name: _size(path, config, name) or 0 for name in names}
    name = next((name for name in names if sizes[name] > 0), names[-1])
    found = _find(shapes, weight) or (0,)
    if sizes[name] and found[0] != 2 * sizes[name]:
        words = f"{weight} has {found[0]} rows, two for each"
        raise _contradiction(path, name, sizes[name], words, found[0] // 2)


def _size(path: Path, config: Mapping[str, Any], name: str) -> int | None:
    value = config.get(name)
    if value is not None and type(value) is not int:
        raise UserError(f"{path} says {name} = {value!r:.80}, where a whole number is needed")
    return value


def _find(shapes: Shapes, weight: str) -> tuple[int, ...] | None:
    """The shape of a weight, whatever the backbone's own name stands before it."""
    names = (name for name in shapes if name == weight or name.endswith(f".{weight}"))
    return next((shapes[name] for name in names), None)


def _contradiction(path: Path, name: str, value: int, words: str, has: int) -> UserError:
    return UserError(
        f"{path} says {name} = {value}, but {words}: copy all files of the model again, or write"
        f" {has} there if these weights are the right ones and whole"
    )
