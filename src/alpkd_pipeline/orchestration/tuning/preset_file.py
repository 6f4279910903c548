"""Writes what a search found into conf/, where every later run finds it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.tuning.preset import TUNED, Preset, read_presets

HEADER = """\
# Written by `kedro tune`: settings that a search found best, each for one task, method and depth.
# They win over the rest of conf/ and over `methods`; --params and sweep.yml win over them.
# Remove an entry to go back. Comments are lost when a search writes here again; `by` stays.
"""


def preset_path(conf: Path, env: str | None) -> Path:
    """Where the presets of an environment stand; without one they are base's."""
    return conf / (env or "base") / "parameters" / "tuned.yml"


def write_presets(path: Path, found: Sequence[Preset]) -> None:
    """Put entries into a file; those of the same cells are replaced, all others stay.

    Args:
        path: the file, made if it is not there.
        found: the new entries. They come last, so that they win over broader ones.

    Raises:
        UserError: the file is there and is not what a search writes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another search may end at the same time; each must see what the other has written.
    with FileLock(path.with_name(f".{path.name}.lock")):
        _replace(path, found)


def _replace(path: Path, found: Sequence[Preset]) -> None:
    new = [dict(preset.where) for preset in found]
    kept = [old for old in _there(path) if dict(old.where) not in new]
    entries = [preset.plain() for preset in (*kept, *found)]
    text = HEADER + yaml.safe_dump({TUNED: entries}, sort_keys=False, allow_unicode=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _there(path: Path) -> tuple[Preset, ...]:
    if not path.exists():
        return ()
    try:
        found: Any = yaml.safe_load(path.read_text("utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict) or set(found) - {TUNED}:
        raise UserError(f"{path} should hold nothing but '{TUNED}': move the rest to another file")
    return read_presets(found.get(TUNED))
