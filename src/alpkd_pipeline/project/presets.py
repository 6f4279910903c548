"""Tuned presets: the settings that a search found best, for the experiments that it searched for.

The parameter key `tuned` is a list of entries `{where: {task, method, layers}, set: {...}, by}`.
They stand above the rest of conf/ and below the command line; of several that match, the later
one wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from alpkd_pipeline.coordinates import PLACES, as_list, matches
from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import UserError, quoted
from alpkd_pipeline.project.parameters import check_settable, has_setting, merged, nested
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.manifest import write_text

TUNED = "tuned"
"""The parameter that holds the entries."""

COORDINATES = ("task", "method", "layers")
"""What a search is for, and what the `where` of an entry may name."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One entry of `tuned`: the experiments that it is for, values by dotted name, a remark."""

    where: Mapping[str, Any]
    settings: Mapping[str, Any]
    by: str = ""

    def plain(self) -> dict[str, Any]:
        """The entry as it is written in YAML."""
        found = {"where": dict(self.where), "set": dict(self.settings), "by": self.by}
        return {name: value for name, value in found.items() if value != ""}


def read_presets(raw: Any) -> tuple[Preset, ...]:
    """The entries of the parameter `tuned`, each checked whether an experiment uses it or not."""
    if not isinstance(raw, list | tuple | None):
        wanted = "should be a list of entries {where, set}"
        raise UserError(f"parameter 'tuned' = {quoted(raw)}: {wanted}")
    entries = enumerate(raw or (), start=1)
    return tuple(_entry(f"parameter 'tuned', entry {n}", entry) for n, entry in entries)


def tuned(values: Mapping[str, Any], presets: tuple[Preset, ...]) -> dict[str, Any]:
    """The parameters with what the matching presets set."""
    out = dict(values)
    for preset in matching(values, presets):
        place = f"parameter 'tuned', entry {presets.index(preset) + 1}"
        _check_method(place, preset.settings, flat(values)[PLACES["method"]])
        out = merged(out, nested(preset.settings))
    return out


def matching(values: Mapping[str, Any], presets: tuple[Preset, ...]) -> list[Preset]:
    """The presets that are for an experiment, in their order."""
    given = flat(values)
    here = {name: given.get(PLACES[name]) for name in COORDINATES}
    known = None not in here.values()
    return [preset for preset in presets if known and matches(preset.where, here)]


def _entry(place: str, raw: Any) -> Preset:
    if not isinstance(raw, Mapping) or not {"where", "set"} <= set(raw) <= {"where", "set", "by"}:
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
    for method in as_list(where.get("method") or ()):
        _check_method(place, settings, str(method))
    return Preset(where, settings, str(raw.get("by") or ""))


def _check_method(place: str, settings: Mapping[str, Any], method: str) -> None:
    try:
        spec = get_spec(method)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    for name in settings:
        if not has_setting(spec, str(name)):
            raise UserError(
                f"{place}: method '{method}' has nothing that '{name}' could set: leave it out"
            )


@dataclass(frozen=True, slots=True)
class PresetInUse:
    """What presets set of an experiment, by dotted name, and nothing above them sets otherwise."""

    name: str
    settings: Mapping[str, Any]
    by: str

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"preset in use: {told} ({self.by}; the parameter 'tuned' of conf/)"


def preset_in_use(
    matching: Iterable[Preset], on_top: Mapping[str, Any], read: Mapping[str, Any]
) -> PresetInUse | None:
    """What presets set of an experiment; None if they set nothing that `on_top` leaves to them."""
    above, values = flat(on_top), flat(read)
    found: dict[str, Preset] = {}
    for preset in matching:
        found |= {name: preset for name in preset.settings if above.get(name) is None}
    if not found:
        return None
    told = list(dict.fromkeys(preset.by or "tuned, by hand" for preset in found.values()))
    names = dict.fromkeys(by.partition(":")[0] for by in told)
    return PresetInUse("+".join(names), {n: values.get(n) for n in found}, "; ".join(told))


HEADER = """\
# Written by `kedro tune`: settings that a search found best, each for one task, method and depth.
# They win over the rest of conf/ and over `methods`; --params and sweep.yml win over them.
# Remove an entry to go back. Comments are lost when a search writes here again; `by` stays.
"""


def preset_path(conf: Path, env: str | None) -> Path:
    """Where the presets of an environment stand; without one they are base's."""
    return conf / (env or "base") / "parameters" / "tuned.yml"


def write_presets(path: Path, found: Sequence[Preset]) -> None:
    """Put entries last into a file, where they win; they replace those of the same experiments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another search may end at the same time; each must see what the other has written.
    with FileLock(path.with_name(f".{path.name}.lock")):
        new = [dict(preset.where) for preset in found]
        kept = [old for old in _there(path) if dict(old.where) not in new]
        entries = [preset.plain() for preset in (*kept, *found)]
        text = yaml.safe_dump({TUNED: entries}, sort_keys=False, allow_unicode=True)
        write_text(path, HEADER + text)


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
