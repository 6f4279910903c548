"""What to type about damage that another command than `kedro verify` has met."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from alpkd_pipeline.store.finished import Damage, DamagedError
from alpkd_pipeline.store.layout import COMPARISON, KINDS
from alpkd_pipeline.store.lineage import Index, Result, read_index
from alpkd_pipeline.store.records import sweep_records
from alpkd_pipeline.store.run_folder import RUN_CONFIG

PIPELINES = {"evaluation": "evaluate", "latency": "evaluate", "geometry": "evaluate"}
"""Kinds that pipeline `distill`, which the commands of trainings name, does not make."""

_DIGITS = re.compile(r"(?<=-)[0-9a-f]{8}(?=-|$)")

UNKNOWN = "the command that made it"


class Repairs:
    """Knows which command made which key: from trainings, and from what sweeps asked for.

    Args:
        results: everything that is published.
        store: the folder of all results.
    """

    def __init__(self, results: Iterable[Result], store: Path) -> None:
        self._commands: dict[str, str] = {}
        for result in results:
            # Of what was trained from a key any command makes it again on its way.
            for key in result.keys.values() if result.command else ():
                self._commands.setdefault(str(key), result.command)
        for record in sweep_records(store):
            for cell in record["cells"]:
                self._commands.setdefault(str(cell.get("key")), str(cell.get("command") or ""))

    def of(self, result: Result, *, trust_run: bool = True) -> str:
        """What makes a result again.

        Args:
            result: it.
            trust_run: whether its own run.json is undamaged.
        """
        kind = result.entry.kind.name
        if kind == COMPARISON:
            return "kedro run --pipeline=compare"
        keys: Mapping[str, str] = {**result.made_from, result.stage: result.key}
        if trust_run:
            keys = {**result.keys, **keys}
        # A model by its own key; what was measured of a model, by that of the model.
        for stage in (result.stage, "student", "teacher"):
            found = self._commands.get(keys.get(stage, ""))
            if found:
                return with_pipeline(found, PIPELINES.get(kind))
        return UNKNOWN

    def named(self, folder: str) -> str | None:
        """What makes a folder again whose manifest is gone: by the digits of keys in its name."""
        for digits in reversed(_DIGITS.findall(folder)):
            for key, command in self._commands.items():
                if command and key.startswith(digits):
                    return command
        return None

    def again(self, result: Result, *, trust_run: bool = True) -> str:
        """What to type: what is damaged counts as there until it is gone."""
        command = self.of(result, trust_run=trust_run)
        return f"rm -r {shlex.quote(str(result.entry.path))}, then {command}"


def with_pipeline(command: str, pipeline: str | None) -> str:
    """The command, by the pipeline that makes a kind; None: by its own."""
    return command.replace("--pipeline=distill", f"--pipeline={pipeline}") if pipeline else command


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
