"""Whether two checkpoints turn text into the same ids.

The digest is of what a tokenizer does: vocabulary, merges, normalisation, splitting, special tokens
and the tokens put around a text. Padding, truncation, the layout of the JSON and the library
version that wrote it do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.model_files import TOKENIZER_FILES, read_json_object
from alpkd_pipeline.models.source import ModelRef, hub_snapshot, kind_of, locate
from alpkd_pipeline.store.manifest import sha256_file

_OVERRIDES = {
    "BertNormalizer": {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    },
    "ByteLevel": {"add_prefix_space": "add_prefix_space"},
}
"""Settings of tokenizer_config.json that win over the same setting in tokenizer.json."""

_FLAGS = ("do_lower_case", "strip_accents", "add_prefix_space", "split_by_punct")


def tokenizer_digest(folder: Path) -> str:
    """A hash that two tokenizers share exactly if they cut and number text alike.

    Reads the folder's tokenizer.json; without one, vocab.txt as a BERT tokenizer, or else the bytes
    of the vocabulary files.
    """
    settings = read_json_object(folder / "tokenizer_config.json") or {}
    definition = read_json_object(folder / "tokenizer.json")
    name = "vocab.txt" if definition is None else "tokenizer.json"
    try:
        if definition is None and (folder / name).is_file():
            definition = _bert_definition(folder / name)
        if definition is not None:
            return _digest(_behaviour(definition, settings))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / name} is not what a tokenizer's file holds: {error!r}"
        ) from None
    files = [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]
    if not files:
        raise UserError(f"{folder} has no tokenizer ({', '.join(TOKENIZER_FILES)})")
    flags = {name: settings[name] for name in _FLAGS if settings.get(name)}
    return _digest({"files": {p.name: sha256_file(p) for p in files}, "flags": flags})


def tokenizer_key(ref: ModelRef, project: Path) -> str:
    """A tokenizer's identity for keys: it does not change when a hub model gets downloaded."""
    if kind_of(ref, project) == "hub":
        hub_snapshot(ref)  # refuses a revision that is not a commit
        return _digest({"hub": ref.model, "revision": ref.revision})
    return tokenizer_digest(locate(ref, project, download=False))


def check_same_tokenizer(teacher: Path, student: Path) -> None:
    """Refuse a student's checkpoint whose tokenizer is not that of its teacher's folder."""
    if tokenizer_digest(teacher) != tokenizer_digest(student):
        raise UserError(
            f"{student} has another tokenizer than the teacher in {teacher}: the student would read"
            " the teacher's token ids as other words; choose a checkpoint with the same tokenizer"
        )


def _behaviour(definition: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of a tokenizer.json decides about ids, in one form for all versions of the file."""
    model = definition.get("model") or {}
    if "merges" in model:
        kind = "BPE"
    elif isinstance(model.get("vocab"), list):
        kind = "Unigram"
    else:
        kind = "WordPiece" if "continuing_subword_prefix" in model else "WordLevel"
    added = ((token["id"], token["content"]) for token in definition.get("added_tokens") or [])
    return {
        "normalizer": _with_overrides(definition.get("normalizer"), settings),
        "pre_tokenizer": _with_overrides(definition.get("pre_tokenizer"), settings),
        "model": {
            # Versions differ in whether they write the kind, and settings that are off.
            **{k: v for k, v in model.items() if v not in (None, False, "")},
            "type": model.get("type") or kind,
            "merges": [m if isinstance(m, str) else " ".join(m) for m in model.get("merges") or []],
        },
        "added": sorted(added),
        "around": sorted(set(_around(definition.get("post_processor")))),
    }


def _with_overrides(part: Any, settings: Mapping[str, Any]) -> Any:
    """A normaliser or pre-tokenizer, inner parts included, as tokenizer_config.json changes it."""
    if isinstance(part, list):
        return [_with_overrides(one, settings) for one in part]
    if not isinstance(part, dict):
        return part
    inner = {name: _with_overrides(value, settings) for name, value in part.items()}
    wins = _OVERRIDES.get(str(part.get("type")), {})
    changed = {ours: settings[name] for name, ours in wins.items() if name in settings}
    return {name: value for name, value in {**inner, **changed}.items() if value is not None}


def _around(part: Any) -> Iterator[tuple[str, int]]:
    """The tokens that a post-processor puts around a text: pairs of token and id."""
    if isinstance(part, list):
        for one in part:
            yield from _around(one)
    elif isinstance(part, dict):
        for name in ("cls", "sep"):
            if name in part:
                yield part[name][0], part[name][1]
        for token, facts in (part.get("special_tokens") or {}).items():
            yield token, facts["ids"][0]
        yield from _around(part.get("processors"))


def _bert_definition(vocab: Path) -> Any:
    """The tokenizer.json that the library makes of a BERT vocab.txt, one token a line."""
    from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

    tokens = vocab.read_text("utf-8").split("\n")
    ids = {token: i for i, token in enumerate(tokens) if token}
    return json.loads(BertWordPieceTokenizer(ids).to_str())


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
