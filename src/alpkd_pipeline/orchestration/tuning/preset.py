"""Tuned presets: the settings that a search found best, for the cells that it searched for.

The parameter key `tuned` is a list of entries `{where: {task, method, layers}, set: {...}, by}`.
They stand above the rest of conf/ and below the command line; of several that match, the later
one wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.errors import UserError, quoted
from alpkd_pipeline.orchestration.nested import merged, nested
from alpkd_pipeline.orchestration.sweep.where import matches
from alpkd_pipeline.orchestration.tuning.names import check_settable, has_setting

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
