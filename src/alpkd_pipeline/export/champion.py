"""Which version of a registered model is the champion, and why each stands where it stands.

A version takes the champion's place only through the gate here, or by hand. Everything that it is
judged by lies in the models themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.limits import loss_of
from alpkd_pipeline.tasks.metrics import METRICS
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tracking.models import CANDIDATE, CHAMPION, DECISION, Models, registry_lock
from alpkd_pipeline.tracking.settings import TrackingSettings, faults_told

# So many times faster or smaller counts: two timings of one model, on days when the machine was
# more or less busy, differ by less.
FASTER, SMALLER = 1.2, 1.05


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a version is judged by."""

    task: Task
    dev: str  # tells the dev rows with their texts from all others
    labels: np.ndarray  # (N,)
    predictions: np.ndarray  # (N,) of the form that is served
    p50_ms: float  # of one text, with the tokenizer
    disk_mb: float
    where: tuple[str, int]  # the processor on which that was measured, and the threads

    @property
    def score(self) -> float:
        """Of the task's first metric."""
        return METRICS[self.task.primary_metric](self.predictions, self.labels)


def evidence_of(metadata: Any, predictions: bytes) -> Evidence:
    """The evidence in a model, from its metadata and its file of answers."""
    table = pd.read_csv(BytesIO(predictions), usecols=["label", "prediction"])
    speed, served = metadata["speed"], ("onnx", metadata["form"])
    (form,) = (f for f in speed["forms"] if (f["engine"], f["precision"]) == served)
    return Evidence(
        Task.from_dict(metadata["task"]),
        metadata["dev"],
        table["label"].to_numpy(),
        table["prediction"].to_numpy(),
        form["one"]["p50_ms"],
        form["disk_mb"],
        (speed["processor"], speed["threads"]),
    )


def judge(new: Evidence, old: Evidence, version: str, margin: float) -> tuple[bool, str]:
    """Whether a version may take the champion's place, and why, in words after its verdict.

    Not worse: the 95 % limit of what the first metric loses on the same rows is within the margin,
    points or an error's own unit. And better for something: faster on the same processor, smaller,
    or with a better score. `version` is the number of the old one, the champion.
    """
    if new.task.name != old.task.name:
        return False, f"it is of the task {new.task.name}, version {version} of {old.task.name}"
    if (new.dev, len(new.labels)) != (old.dev, len(old.labels)):
        return False, f"it was judged on other dev rows than version {version}"
    metric, rows = new.task.primary_metric, len(new.labels)
    seen, limit = loss_of(metric, new.labels, old.predictions, new.predictions)
    unit, points = (1, "") if METRICS[metric].is_error else (100, " points")
    seen, limit = seen * unit, limit * unit
    sure = "95 %" if metric == "accuracy" else "95 %, by a bootstrap"
    allowed = f"{margin:g}{points.removesuffix('s') if margin == 1 else points} of {metric}"
    if seen > margin:
        return False, f"it loses {seen:.3g}{points} to version {version}, allowed is {allowed}"
    # Where a bootstrap sees no spread, it shows nothing.
    if limit > margin or (metric != "accuracy" and limit == seen):
        return False, (
            f"cannot be shown with {rows:,} rows: against version {version} it loses {seen:.3g},"
            f" at most {limit:.3g}{points} ({sure}), allowed is {allowed}"
        )
    gains = []
    if new.where == old.where and old.p50_ms / new.p50_ms >= FASTER:
        gains.append(f"{old.p50_ms / new.p50_ms:.3g} times as fast")
    if old.disk_mb / new.disk_mb >= SMALLER:
        gains.append(f"{old.disk_mb / new.disk_mb:.3g} times smaller")
    if limit < 0:
        gains.append(f"better by {-limit:.3g}{points} or more")
    if not gains:
        speed = f"{new.p50_ms:.3g} against {old.p50_ms:.3g} ms"
        if new.where != old.where:
            speed = "measured on another processor, or with other threads"
        return False, (
            f"it is neither faster than version {version} ({speed}), nor smaller"
            f" ({new.disk_mb:.3g} against {old.disk_mb:.3g} MB), nor shown to be better"
        )
    return True, (
        f"not worse than version {version} by {allowed} ({sure}: loss at most"
        f" {max(limit, 0.0):.3g}), and {' and '.join(gains)}"
    )


class Registered:
    """A registered model; UserError if there is none of that name, or MLflow is out of reach."""

    def __init__(self, name: str, settings: TrackingSettings) -> None:
        self._name, self._settings = name, settings
        with self._guarded():
            if settings.database and not settings.database.exists():
                raise UserError(f"there is no {settings.database}, so no model '{name}' in it")
            self._models = Models(settings)
            self._look()

    def lines(self) -> Iterator[str]:
        """The versions with score, size, latency, and why each stands where it stands."""
        rows = [("version", "alias", "score", "size", "p50", "why")]
        with self._guarded():
            for number, version in self._versions.items():
                aliases = ", ".join(a for a, meant in self._aliases.items() if meant == number)
                measured = ("-", "-", "-")
                if one := self._evidence(number):
                    score = f"{one.task.primary_metric} {one.score:.4f}"
                    measured = (score, f"{one.disk_mb:.1f} MB", f"{one.p50_ms:.1f} ms")
                why = version.tags.get(DECISION, "not judged yet")
                rows.append((number, aliases, *measured, why))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(map(str.ljust, row, widths)).rstrip()

    def promote(self, version: str, margin: float) -> str:
        """Let a version, or `candidate`, take the champion's place; what was decided, in a line.
        UserError if it may not, for the reason that is kept with it too."""
        with self._guarded(), registry_lock(self._settings):
            self._look()
            champion, number = self._aliases.get(CHAMPION), self._number(version)
            if number == champion:
                raise UserError(f"version {number} of '{self._name}' is the champion already")
            new, old = self._evidence(number), self._evidence(champion)
            if new is None or (champion and old is None):
                raise UserError(
                    f"version {champion if new else number} of '{self._name}' was not exported"
                    f" here, so there is nothing to judge it by: `kedro champion {self._name}"
                    f" --set {number}` makes {number} the champion unseen"
                )
            fits, why = judge(new, old, str(champion), margin) if old else (True, "the first")
            if not fits:
                self._models.decide(self._name, number, f"refused {date.today()}: {why}")
                raise UserError(f"version {number} of '{self._name}' is refused: {why}")
            return self._crown(number, champion, why)

    def set_by_hand(self, version: str) -> str:
        """Make a version the champion unseen; what was done, in a line."""
        with self._guarded(), registry_lock(self._settings):
            self._look()
            number = self._number(version)
            decision = self._versions[number].tags.get(DECISION, "")
            refused = f", though {decision}" if decision.startswith("refused") else ""
            return self._crown(number, self._aliases.get(CHAMPION), f"set by hand{refused}")

    def _guarded(self) -> AbstractContextManager[None]:
        what = f"what was asked of '{self._name}'"
        return faults_told(self._settings, what, "ask again when it works")

    def _look(self) -> None:
        self._aliases = self._models.aliases(self._name)
        self._versions = {str(v.version): v for v in self._models.versions(self._name)}

    def _number(self, version: str) -> str:
        number = self._aliases.get(version, version)
        if number not in self._versions:
            what = version if version == CANDIDATE else f"version {version}"
            there = ", ".join(self._versions) or "none"
            raise UserError(f"'{self._name}' has no {what}: name a version (there are: {there})")
        return number

    def _evidence(self, number: str | None) -> Evidence | None:
        files = self._models.evidence(self._versions[number]) if number else None
        return evidence_of(*files) if files else None

    def _crown(self, number: str, before: str | None, why: str) -> str:
        """Move the alias, unless another machine, which no lock of ours holds, moved it first."""
        name, today = self._name, date.today()
        self._look()
        if self._aliases.get(CHAMPION) != before:
            raise UserError(f"the champion of '{name}' was changed meanwhile: ask again")
        self._models.point(name, CHAMPION, number)
        if self._aliases.get(CANDIDATE) == number:
            self._models.point(name, CANDIDATE, None)
        decision = f"champion since {today}: {why}"
        self._models.decide(name, number, decision)
        if before and before != number:
            superseded = f"champion until {today}: version {number} took its place"
            self._models.decide(name, before, superseded)
        return f"version {number} of '{name}' is {decision}"
