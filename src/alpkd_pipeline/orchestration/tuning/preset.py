"""Tuned presets: the settings that a search found best, for the cells that it searched for.

The parameter key `tuned` is a list of entries `{where: {task, method, layers}, set: {...}, by}`.
They stand above the rest of conf/ and below the command line; of several that match, the later
one wins.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.errors import UserError, quoted
from alpkd_pipeline.orchestration.parameters import (
    check_settable,
    has_setting,
    matches,
    merged,
    nested,
)

TUNED = "tuned"
"""The parameter that holds the entries."""

COORDINATES = ("task", "method", "layers")
"""What a search is for, and what the `where` of an entry may name."""

_PLACES = {"task": ("task", "name"), "method": ("method", "name"), "layers": ("student", "layers")}

PARTS = ("where", "set", "by")


@dataclass(frozen=True, slots=True)
class Preset:
    """One entry of `tuned`.

    Attributes:
        where: the cells that it is for: a value or a list of values per coordinate.
        settings: values by dotted name.
        by: how it was found, for people.
    """

    where: Mapping[str, Any]
    settings: Mapping[str, Any]
    by: str = ""

    def plain(self) -> dict[str, Any]:
        """The entry as it is written in YAML."""
        return {
            "where": dict(self.where),
            "set": dict(self.settings),
            **({"by": self.by} if self.by else {}),
        }


def read_presets(raw: Any) -> tuple[Preset, ...]:
    """The entries of the parameter `tuned`, each checked whether a cell uses it or not.

    Raises:
        UserError: one line that names the entry.
    """
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple):
        raise UserError(
            f"parameter 'tuned' = {quoted(raw)}: should be a list of entries {{where, set}}"
        )
    return tuple(_entry(f"parameter 'tuned', entry {n}", e) for n, e in enumerate(raw, start=1))


def tuned(values: Mapping[str, Any], presets: tuple[Preset, ...]) -> dict[str, Any]:
    """The parameters with what the matching presets set.

    Args:
        values: nested parameters, not yet validated.
        presets: the checked entries.

    Raises:
        UserError: an entry sets what the cell's method does not have.
    """
    out = dict(values)
    for preset in matching(values, presets):
        place = f"parameter 'tuned', entry {presets.index(preset) + 1}"
        _check_method(place, preset.settings, _coordinates(values)["method"])
        out = merged(out, nested(preset.settings))
    return out


def matching(values: Mapping[str, Any], presets: tuple[Preset, ...]) -> list[Preset]:
    """The presets that are for a cell, in their order.

    Args:
        values: nested parameters, not yet validated.
        presets: the checked entries.
    """
    here = _coordinates(values)
    known = None not in here.values()
    return [preset for preset in presets if known and matches(preset.where, here)]


def _coordinates(values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, (block, inner) in _PLACES.items():
        given = values.get(block)
        found[name] = given.get(inner) if isinstance(given, Mapping) else None
    return found


def _entry(place: str, raw: Any) -> Preset:
    if not isinstance(raw, Mapping) or not {"where", "set"} <= set(raw) <= set(PARTS):
        raise UserError(f"{place} = {quoted(raw)}: should have where and set (and by, a remark)")
    where, settings = raw["where"], raw["set"]
    if not isinstance(where, Mapping) or not isinstance(settings, Mapping):
        raise UserError(f"{place}: where and set should map names to values")
    for name in where:
        if name not in COORDINATES:
            known = ", ".join(COORDINATES)
            raise UserError(f"{place}: where does not know '{name}' (it knows {known})")
    for name in settings:
        check_settable(str(name), place)
    for method in _named_methods(where):
        _check_method(place, settings, method)
    return Preset(where, settings, str(raw.get("by") or ""))


def _named_methods(where: Mapping[str, Any]) -> Iterator[str]:
    given = where.get("method")
    for name in given if isinstance(given, list | tuple) else [] if given is None else [given]:
        yield str(name)


def _check_method(place: str, settings: Mapping[str, Any], method: str) -> None:
    try:
        row = get_row(method)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    for name in settings:
        if not has_setting(row, str(name)):
            raise UserError(
                f"{place}: method '{method}' has nothing that '{name}' could set: leave it out"
            )


BY_HAND = "tuned, by hand"


@dataclass(frozen=True, slots=True)
class PresetInUse:
    """What presets set of a cell, and what nothing above them sets otherwise.

    Attributes:
        name: the search that found it; several are joined by `+`.
        settings: values by dotted name, never empty.
        by: how it was found.
    """

    name: str
    settings: Mapping[str, Any]
    by: str

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"preset in use: {told} ({self.by}; the parameter 'tuned' of conf/)"


def preset_in_use(
    matching: Iterable[Preset], on_top: Mapping[str, Any], read: Mapping[str, Any]
) -> PresetInUse | None:
    """What presets set of a cell; None if they set nothing.

    Args:
        matching: the presets that are for the cell, those that win last.
        on_top: nested parameters that win over all of them.
        read: the cell's complete parameters, nested: a value is shown as it was read.
    """
    found: dict[str, Preset] = {}
    for preset in matching:
        found |= {name: preset for name in preset.settings if _at(on_top, name) is None}
    if not found:
        return None
    told = list(dict.fromkeys(preset.by or BY_HAND for preset in found.values()))
    names = dict.fromkeys(by.partition(":")[0] for by in told)
    return PresetInUse("+".join(names), {n: _at(read, n) for n in found}, "; ".join(told))


def _at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


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
