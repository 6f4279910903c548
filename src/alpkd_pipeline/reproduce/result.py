"""One original and its rerun, from its plan to its verdict; and what came of it, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from alpkd_pipeline.reporting.formats import score_text, seconds_text
from alpkd_pipeline.reproduce.compare import ModelComparison
from alpkd_pipeline.reproduce.original import Difference, StoredRun
from alpkd_pipeline.reproduce.verdict import (
    DRIFTED,
    FAILED,
    FROM_BEST,
    DataComparison,
    Verdict,
    worst,
)


@dataclass(frozen=True, slots=True)
class Rerun:
    """One original, how it is made again, and what came of it."""

    original: StoredRun
    differences: tuple[Difference, ...] = ()  # what is otherwise than it was, as far as it shows
    commit: str | None = None  # the commit whose code is run; None: today's code
    device: str | None = None  # takes the place of the recorded device, which is not here
    error: str | None = None  # why it cannot be made again, or failed; one line
    # what tells its results from those of another day's code or data
    today: Mapping[str, Any] = field(default_factory=dict)
    data: DataComparison | None = None
    # the teacher, if the original's is still there, and the student
    models: tuple[ModelComparison, ...] = ()
    rerun: str | None = None  # the key of what was made
    folder: str | None = None  # its folder in the store
    # the MLflow runs of the original and of the rerun, where they are known
    tracked: tuple[str | None, str | None] = (None, None)

    @property
    def name(self) -> str:
        """What people call the original, and its task."""
        return f"{self.original.path.name} ({self.original.task})"

    @property
    def something_else(self) -> tuple[str, ...]:
        """Why this is no rerun of the same thing, whatever its score."""
        kinds = ("data", "parameters", "damage")
        found = (str(difference) for difference in self.differences if difference.kind in kinds)
        changes = self.data.changes if self.data else ()
        return (*found, *(f"data changed, {change}" for change in changes))

    @property
    def verdict(self) -> Verdict:
        """The worst of its models; drifted where data or parameters are others."""
        if self.error is not None:
            return FAILED
        return worst(self.verdict_of(model) for model in self.models)

    def verdict_of(self, model: ModelComparison) -> Verdict:
        """What is to be said of one of its models."""
        return worst([model.verdict, DRIFTED]) if self.something_else else model.verdict

    @property
    def plain(self) -> dict[str, Any]:
        """JSON-ready, with what follows from it: readers need not compute it."""
        original, data = self.original, self.data
        own = ("commit", "error", "rerun", "folder", "tracked", "verdict", "something_else")
        return {
            **{name: getattr(self, name) for name in own},
            "original": original.key,
            "name": original.path.name,
            "task": original.task,
            "differences": [asdict(difference) for difference in self.differences],
            "data": data and asdict(data),
            "models": [
                {**asdict(model), "difference": model.difference, "verdict": model.verdict}
                for model in self.models
            ],
        }


@dataclass(frozen=True, slots=True)
class RerunResult:
    """All that one command made again."""

    time: str  # when it ended, `20260314-031500` in UTC
    of: str  # the key of the one original, or of the comparison
    experiments: Sequence[Rerun]
    seconds: float
    kept: bool = True  # whether the fresh store stays
    notes: Sequence[str] = ()  # lines for people: what was passed over, what could not be tracked

    @property
    def verdict(self) -> Verdict:
        """The worst of all experiments."""
        return worst(experiment.verdict for experiment in self.experiments)

    @property
    def plain(self) -> dict[str, Any]:
        """The same as JSON-ready values."""
        own = {name: getattr(self, name) for name in ("time", "of", "kept", "notes", "verdict")}
        experiments = [experiment.plain for experiment in self.experiments]
        return {"schema": 1, **own, "seconds": round(self.seconds, 1), "cells": experiments}


def terminal_text(result: RerunResult, report: str) -> str:
    """The compact account that a command ends with; its last lines say it all."""
    experiments = result.experiments
    lines = [line for experiment in experiments for line in _experiment_lines(experiment)]
    lines += [*result.notes, ""]
    for experiment in experiments:
        if experiment.verdict not in FROM_BEST[:2]:
            scores = [f"{model.stage} {_score(model)}" for model in experiment.models]
            why = experiment.error or "; ".join(experiment.something_else or scores)
            lines.append(f"not reproduced: {experiment.name}: {why}")
    counts = Counter(experiment.verdict for experiment in experiments)
    told = ", ".join(f"{counts[name]} {name}" for name in FROM_BEST if counts[name])
    of = f"of {len(experiments)} reruns {told}"
    if len(experiments) == 1:
        of = experiments[0].original.path.name
    return "\n".join([*lines, f"report: {report}", f"{result.verdict}: {of}"])


def report_page(result: RerunResult, command: str) -> str:
    """The report in Markdown: the verdict, then the account of each experiment."""
    parts = [
        f"# Rerun: {result.verdict}\n",
        f"{result.time} UTC, {seconds_text(result.seconds)} s, `{command}`\n",
        *(f"- {note}\n" for note in result.notes),
    ]
    for experiment in result.experiments:
        head, *lines = _experiment_lines(experiment)
        parts.append("\n".join([f"## {head}\n", "```text", *lines, "```\n"]))
    return "\n".join(parts)


def _experiment_lines(experiment: Rerun) -> Iterator[str]:
    """One experiment: a line for each thing that was compared, and for what it was made from."""
    yield f"{experiment.name}: {experiment.verdict}"
    if experiment.error:
        yield f"  {experiment.error}"
        return
    for model in experiment.models:
        then, now = (digest[:8] for digest in model.weights)
        same = model.weights[0] == model.weights[1]
        yield f"  {model.stage}"
        yield f"    weights  {f'equal ({then})' if same else f'differ ({then} -> {now})'}"
        yield f"    losses   {model.losses}"
        other = "; ".join(str(answer) for answer in model.predictions if not answer.equal)
        equal = f"all {model.predictions[-1].rows} equal" if model.predictions else "none kept"
        yield f"    answers  {other or equal}"
        yield f"    {_score(model)}"
        yield from (f"    not compared: {why}" for why in (model.missing, model.skipped) if why)
    code = "unchanged"
    if experiment.commit:
        code = f"commit {experiment.commit[:8]}, as recorded; today's is another"
    elif any(difference.kind == "code" for difference in experiment.differences):
        code = "today's, which is another than the recorded one"
    yield f"  data       {experiment.data}"
    yield f"  code       {code}"
    yield from (f"  differs    {difference}" for difference in experiment.differences)


def _score(model: ModelComparison) -> str:
    """`dev.accuracy 0.8660 -> 0.8640 (-0.0020; noise: ...)`."""
    name, then, now = model.primary
    text = f"{name} {score_text(then)} -> {score_text(now)}"
    if not model.difference:
        return text
    band = f"noise: {model.band}" if model.band else "no noise band can be made"
    return f"{text} ({model.difference:+.4f}; {band})"
