"""What to type about damage that another command than `kedro verify` has met."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path

from alpkd_pipeline.orchestration.integrity.index import Index, read_index
from alpkd_pipeline.orchestration.integrity.places import COMPARISON, KINDS
from alpkd_pipeline.orchestration.integrity.repairs import (
    PIPELINES,
    UNKNOWN,
    Repairs,
    with_pipeline,
)
from alpkd_pipeline.runs.finished import Damage, DamagedError
from alpkd_pipeline.runs.run_folder import RUN_CONFIG


def with_commands(error: DamagedError) -> DamagedError:
    """The same error, with the commands that make its folders again."""
    index = cache(read_index)
    return DamagedError(error.damages, [_do(damage, index) for damage in error.damages])


def _do(damage: Damage, index: Callable[[Path], Index]) -> str:
    folder = damage.folder
    remove = f"rm -r {shlex.quote(str(folder))}"
    for kind in KINDS:
        place = folder.parent if kind.name == COMPARISON else folder.parent.parent
        if place.as_posix().endswith(f"/{kind.place}"):
            known = index(place.parents[1])
            repairs = Repairs(known.results, known.store)
            found = next((r for r in known.results if r.entry.path == folder), None)
            if found is not None:
                return repairs.again(found, trust_run=damage.file != RUN_CONFIG)
            command = repairs.named(folder.name) or _own(folder)
            return f"{remove}, then {with_pipeline(command, PIPELINES.get(kind.name))}"
    return f"{remove}, then {UNKNOWN}"


def _own(folder: Path) -> str:
    """The command in a folder's run.json, of which no manifest vouches any more."""
    try:
        return str(json.loads((folder / RUN_CONFIG).read_text("utf-8"))["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return UNKNOWN
