"""From journal events to metric points: pure, so that the same line gives the same point each time.

A point carries the time and the step of its journal line. SQL stores take (run, name, time, step,
value) as the identity of a point, so that pushing a line again changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_POINTS = 1000
"""MLflow refuses larger batches of metrics."""

RESULT_STEP = 0
"""The step of what is known once, at the end. MLflow draws bars of metrics that have step 0 alone,
and a lonely dot at the end of an axis for any other step."""

_ODD_CHARACTERS = re.compile(r"[^\w.\- ]")
_NOT_FINITE = ("nan", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one metric; the time is in milliseconds since the epoch."""

    name: str
    value: float
    time_ms: int
    step: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Points that are pushed together, and the last step of each kind of event after them."""

    points: tuple[Point, ...]
    pushed: Mapping[str, int]


def time_ms(event: Mapping[str, Any]) -> int:
    """An event's time in milliseconds since the epoch."""
    return round(float(event["time"]) * 1000)


def event_points(event: Mapping[str, Any], selection: str) -> list[Point]:
    """The points of one journal line; lines other than `step`, `eval` and `epoch` have none.

    Args:
        event: the line.
        selection: what the selecting rows are called, `dev` or `holdout`; it leads the names of
            the scores.
    """
    values = {k: v for k, v in event.items() if k not in {"event", "time", "step", "best"}}
    if event["event"] == "eval":
        scores = {**values.pop("scores", {}), "epoch": values.pop("epoch", None)}
        attention = values.pop("attention", None) or {}
        values |= {selection: scores, "attention": {"entropy": attention.get("entropy")}}
    elif event["event"] == "epoch":
        values = {"per_epoch": {k: v for k, v in values.items() if k != "epoch"}}
    elif event["event"] != "step":
        return []
    return _points(values, time_ms(event), int(event["step"]))


def closing_points(metrics: Mapping[str, Any], at_ms: int) -> list[Point]:
    """What a finished training came to, from its metrics.json, as points at `RESULT_STEP`."""
    best = {**metrics.get("scores", {})}
    for name in ("step", "epoch"):
        best[name] = metrics.get(f"best_{name}")
    values = {
        "best": best,
        "mean": {"examples_per_second": metrics.get("examples_per_second")},
        "parameters": metrics.get("parameters", {}),
    }
    for name in ("steps", "epochs", "examples", "seconds", "evaluation_seconds"):
        values[name] = metrics.get(name)
    return _points(values, at_ms, RESULT_STEP)


def new_batches(
    events: Iterable[Mapping[str, Any]],
    selection: str,
    pushed: Mapping[str, int],
    limit: int = MAX_POINTS,
) -> Iterator[Batch]:
    """Batches of the points that are not yet pushed, whole events only.

    A resumed training writes some of its steps again; the first line of a step counts.

    Args:
        events: journal lines in their order.
        selection: as in `event_points`.
        pushed: the last step pushed of each kind of event.
        limit: the most points in a batch.
    """
    done, points = dict(pushed), list[Point]()
    for event in events:
        kind, found = event["event"], event_points(event, selection)
        if not found or event["step"] <= done.get(kind, -1):
            continue
        if points and len(points) + len(found) > limit:
            yield Batch(tuple(points), dict(done))
            points = []
        points += found
        done[kind] = event["step"]
    if points:
        yield Batch(tuple(points), dict(done))


def _points(values: Mapping[str, Any], at_ms: int, step: int) -> list[Point]:
    return [Point(name, value, at_ms, step) for name, value in numbers(values)]


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a structure under dotted names that MLflow takes; lists count from 1."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value, start=1):
            yield from numbers(inner, f"{name}.{place}")
    elif _is_number(value):
        yield _ODD_CHARACTERS.sub("_", name), float(value)


def _is_number(value: Any) -> bool:
    # The journal writes values that are not finite as text.
    return (isinstance(value, int | float) and not isinstance(value, bool)) or value in _NOT_FINITE
