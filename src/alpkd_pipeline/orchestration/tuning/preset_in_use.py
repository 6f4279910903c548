"""What tuned presets set of one cell, for people to see: a preset changes what a command trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alpkd_pipeline.orchestration.tuning.preset import Preset

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
