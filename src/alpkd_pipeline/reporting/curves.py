"""Learning curves out of the event logs: scores at every evaluation, losses by epoch."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.store.event_log import EVENT_LOG
from alpkd_pipeline.store.run_folder import RunFolder

log = logging.getLogger(__name__)

BINS = 24
"""Losses are averaged over this many equal parts of a training."""

TERMS = ("hard", "soft", "intermediate")

Point = tuple[float, float]

_EVENTS = (b'{"event": "eval"', b'{"event": "step"')


@dataclass(frozen=True, slots=True)
class RunCurves:
    """What one event log tells."""

    scores: Sequence[Point]  # (epoch, primary score) of every evaluation
    # term of the loss -> (epoch, value before its weight) of every logged step
    losses: Mapping[str, Sequence[Point]]


def run_curves(folder: Path, metric: str) -> RunCurves:
    """Read the event log of a finished run; none, or one of another shape, gives no points.

    Raises:
        DamagedError: the event log is not what was sealed.
    """
    scores: list[Point] = []
    losses: dict[str, list[Point]] = defaultdict(list)
    try:
        lines = RunFolder(folder).read(EVENT_LOG).splitlines()
        wanted = filter(lambda line: line.startswith(_EVENTS), lines)
        # All at once: a thousand runs have many lines.
        for event in json.loads(b"[%s]" % b",".join(wanted)):
            if event["event"] == "eval":
                scores += _finite(event["epoch"], event["scores"].get(metric))
            else:
                for term in TERMS:
                    losses[term] += _finite(event["epoch"], event["loss"].get(term))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("the event log of %s cannot be read: %r", folder, error)
        return RunCurves((), {})
    return RunCurves(scores, {term: points for term, points in losses.items() if points})


def _finite(epoch: Any, value: Any) -> list[Point]:
    # The event log writes what is not finite as a word.
    return [(float(epoch), float(value))] if isinstance(value, int | float) else []


def mean_scores(runs: Sequence[RunCurves]) -> list[Point]:
    """The mean over runs at every evaluation that all of them have.

    Runs that stopped early would otherwise pull the end of the mean up or down.
    """
    found: dict[float, list[float]] = defaultdict(list)
    for run in runs:
        for epoch, score in run.scores:
            found[round(epoch, 4)].append(score)
    whole = {epoch: scores for epoch, scores in found.items() if len(scores) == len(runs)}
    return [(epoch, sum(scores) / len(scores)) for epoch, scores in sorted(whole.items())]


def mean_losses(runs: Sequence[RunCurves], term: str) -> list[Point]:
    """The mean of a term over runs and over each of `BINS` equal parts of the training.

    It ends where the first run stopped, as the scores do.
    """
    lines = [run.losses[term] for run in runs if run.losses.get(term)]
    end = min((max(epoch for epoch, _ in line) for line in lines), default=0.0)
    found: dict[int, list[float]] = defaultdict(list)
    for epoch, value in (point for line in lines for point in line if point[0] <= end):
        found[min(BINS - 1, int(BINS * epoch / end)) if end else 0].append(value)
    return [
        ((part + 0.5) * end / BINS, sum(values) / len(values))
        for part, values in sorted(found.items())
    ]
