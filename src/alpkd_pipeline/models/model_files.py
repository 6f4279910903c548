"""The files of a model folder, read without trusting them. Standard library only.

Only regular files are opened, JSON has a bound on its bytes and its depth, and what a safetensors
file holds is known from its header before any weight is read. The library builds whatever
config.json asks for, gives random numbers to what the weights lack and leaves out what they have
more: `check_sizes` refuses that before anything is allocated.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import family_of, shape_of

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spm.model",
    "sentencepiece.bpe.model",
)

LARGEST = 64 * 2**20
"""Bytes of a file that is read as a whole; the largest tokenizers in use have half of it."""

DEEPEST = 100
"""Levels of a JSON file; a model's own have less than ten."""

_READ_WHOLE = {
    CONFIG,
    SHARDS,
    *TOKENIZER_FILES,
    "adapter_config.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "tokenizer_config.json",
}
"""What this project or the library's loaders read at once."""

_KINDS = {
    "model_type": (str, "a name"),
    "architectures": (list, "a list of names"),
    "id2label": (dict, "an object"),
    "label2id": (dict, "an object"),
}
"""Keys of config.json that are read here, and what they hold if they are there."""


def check_files(folder: Path) -> None:
    """Refuse what a loader would wait for without end, or read until the memory is gone."""
    templates = folder / "additional_chat_templates"
    for path in [*folder.iterdir(), *(templates.iterdir() if templates.is_dir() else ())]:
        if path.exists() and not path.is_dir():
            _check_file(path, path.name in _READ_WHOLE or path.parent == templates)


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's config.json; UserError where it is missing or no JSON object.

    So is one of no family that can be distilled, or with a key of `_KINDS` of another kind.
    """
    path = folder / CONFIG
    config = read_json_object(path)
    if config is None:
        raise UserError(f"{path} does not exist; a model folder needs it beside its {WEIGHTS}")
    for name, (kind, words) in _KINDS.items():
        value = config.get(name)
        names = value if isinstance(value, list) else ()
        fits = isinstance(value, kind) and all(isinstance(one, str) for one in names)
        if value is not None and not fits:
            raise UserError(f"{path} says {name} = {_short(value)}, where {words} is needed")
    if not all(re.fullmatch(r"\d{1,9}", number) for number in config.get("id2label") or ()):
        raise UserError(
            f"{path} says id2label = {_short(config['id2label'])}: its keys must be the numbers of"
            ' the outputs, as in {"0": "no", "1": "yes"}'
        )
    if config.get("is_decoder"):
        raise UserError(f"{path} says is_decoder: only encoders can be distilled here")
    try:
        shape_of(config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return config


def read_json_object(path: Path) -> dict[str, Any] | None:
    """A JSON file that holds an object, or None when there is no such file."""
    if not path.exists():
        return None
    _check_file(path, read_whole=True)
    try:
        found = _parsed(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds a {type(found).__name__} where an object is needed")
    return found


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a model, in a fixed order; empty when it has none.

    UserError where the index of several is damaged, or names others than such of the same folder.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    names = sorted(set(_weight_map(folder).values()))
    for name in names:
        if not name.endswith(".safetensors") or Path(name).name != name:
            raise UserError(f"{folder / SHARDS} names {name!r}: weights only as safetensors")
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing though {SHARDS} names it; copy it again")
    return [folder / name for name in names]


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's weights, from the headers of its safetensors files.

    UserError where one is not safetensors, is cut off, or holds other weights than the index says.
    """
    parts = {
        path.name: {name: shape for name, _, shape in read_header(path)}
        for path in weight_files(folder)
    }
    if WEIGHTS not in parts:
        for name, file in _weight_map(folder).items():
            if name not in parts[file]:
                raise UserError(
                    f"{folder / SHARDS} says that {_short(name)} is in {file}, where it is not:"
                    " copy all files of the model again"
                )
    return {name: shape for part in parts.values() for name, shape in part.items()}


def _weight_map(folder: Path) -> Mapping[str, str]:
    index = read_json_object(folder / SHARDS)
    found = {} if index is None else index.get("weight_map")
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise UserError(
            f"{folder / SHARDS} says weight_map = {_short(found)}, where an object is needed that"
            " maps each weight's name to its file"
        )
    return found


def read_header(path: Path) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Name, type and shape of the weights in a safetensors file, such as `F32` and (2, 768).

    It begins with 8 bytes of length, then that many bytes of JSON. UserError where it is another
    kind of file, or is cut off.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            room = path.stat().st_size - 8 - length
            if room < 0 or length > LARGEST:
                raise ValueError(length)
            header = _parsed(file.read(length))
        tensors = [(name, facts) for name, facts in header.items() if name != "__metadata__"]
        for name, facts in tensors:
            shape, (start, end) = tuple(facts["shape"]), facts["data_offsets"]
            bits = int((re.search(r"\d+", facts["dtype"]) or ["8"])[0])
            whole = all(type(size) is int and size >= 0 for size in (*shape, start, end))
            if not whole or (end - start) * 8 != math.prod(shape) * bits:
                raise ValueError(name)
            if end > room:
                raise UserError(
                    f"{path} cannot be loaded: it is cut off or damaged, its header promises at"
                    f" least {end} bytes of weights and {room} are there; copy it again"
                )
            yield name, facts["dtype"], shape
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is not a safetensors file; weights only as such") from None


def _check_file(path: Path, read_whole: bool) -> None:
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise UserError(f"{path} is not a regular file: copy the model's own file into its place")
    if read_whole and facts.st_size > LARGEST:
        raise UserError(
            f"{path} has {facts.st_size} bytes, at most {LARGEST} are read: it is not what its name"
            " says; copy the model's own file into its place"
        )


def _parsed(data: bytes) -> Any:
    """JSON of at most `DEEPEST` levels; a ValueError says that it is deeper, or no JSON."""
    too_deep = ValueError(f"it is nested more than {DEEPEST} levels deep")
    try:
        found = json.loads(data.decode("utf-8"))
    except RecursionError:
        raise too_deep from None
    level: list[Any] = [[found]]
    for _ in range(DEEPEST + 1):
        inner = (part.values() if isinstance(part, dict) else part for part in level)
        level = [one for part in inner for one in part if isinstance(one, dict | list)]
        if not level:
            return found
    raise too_deep


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


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
        biased = config.get("position_biased_input") is not False
        if sizes is None and value and (biased or name != "max_position_embeddings"):
            raise UserError(
                f"{folder} is not a whole encoder: {weight} missing in its weights, though"
                f" {CONFIG} says {name} = {value}; copy all files of the model again"
            )
        if sizes is None:
            continue
        words, sizes = f"{weight} has the shape {' x '.join(map(str, sizes))}", (*sizes, 0, 0, 0)
        if value not in (None, sizes[dimension]):
            raise _contradiction(path, name, value, words, sizes[dimension])
        if "embeddings" in weight and wide != sizes[1]:
            name = family.width if wide == shape.width else "embedding_size"
            raise _contradiction(path, name, wide, words, sizes[1])
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


def _check_relative_positions(path: Path, config: Mapping[str, Any], shapes: Shapes) -> None:
    """DeBERTa has two rows for each distance or, where it counts in buckets, for each bucket."""
    if not config.get("relative_attention"):
        return
    names = ("position_buckets", "max_relative_positions", "max_position_embeddings")
    sizes = {name: _size(path, config, name) or 0 for name in names}
    name = next((name for name in names if sizes[name] > 0), names[-1])
    weight = "encoder.rel_embeddings.weight"
    rows = (_find(shapes, weight) or (0,))[0]
    if sizes[name] and rows != 2 * sizes[name]:
        words = f"{weight} has {rows} rows, two for each"
        raise _contradiction(path, name, sizes[name], words, rows // 2)


def _size(path: Path, config: Mapping[str, Any], name: str) -> int | None:
    value = config.get(name)
    if value is not None and type(value) is not int:
        raise UserError(f"{path} says {name} = {value!r:.80}, where a whole number is needed")
    return value


def _find(shapes: Shapes, weight: str) -> tuple[int, ...] | None:
    """The shape of a weight, whatever the backbone's own name stands before it."""
    names = (name for name in shapes if name == weight or name.endswith(f".{weight}"))
    return next((shapes[name] for name in names), None)


def _contradiction(path: Path, name: str, value: int | None, words: str, has: int) -> UserError:
    return UserError(
        f"{path} says {name} = {value}, but {words}: copy all files of the model again, or write"
        f" {has} there if these weights are the right ones and whole"
    )
