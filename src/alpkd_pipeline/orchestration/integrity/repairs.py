"""The command that makes a folder again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from alpkd_pipeline.orchestration.integrity.lineage import Result
from alpkd_pipeline.orchestration.integrity.places import COMPARISON
from alpkd_pipeline.reporting.sweeps import sweep_records

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
