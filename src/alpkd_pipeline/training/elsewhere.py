"""A training that goes on elsewhere than it was: what that leaves of the promise of equal bits.

With the same processor, device, threads, precision and libraries a training that was interrupted
ends bitwise as if it had not been. With others it ends as well, within the spread of the seeds: it
goes on, says so, and keeps the record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

log = logging.getLogger(__name__)

RESUME = "resume"
"""The event of a training that goes on."""

NAMES = ("device", "device_name", "precision", "threads", "attention", "libraries")
"""What of a run's environment moves the last bits of its numbers."""


def last_environment(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Where a training was when it wrote the end of its journal; empty if it does not say."""
    found: Mapping[str, Any] = {}
    for event in events:
        if event["event"] in {"start", RESUME}:
            found = event
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs between two environments: dotted name -> [before, now]."""
    old, new = dict(_flat(before)), dict(_flat(now))
    both = (name for name in new if name in old)
    return {name: [old[name], new[name]] for name in both if old[name] != new[name]}


def say_differences(name: str, step: int, found: Mapping[str, list[Any]]) -> None:
    """Warn that a training goes on elsewhere; say nothing if nothing differs."""
    if not found:
        return
    what = ", ".join(f"{key} {now} instead of {before}" for key, (before, now) in found.items())
    log.warning(
        "%s goes on after step %d with %s: its result is not bitwise that of an uninterrupted"
        " training, and its record says so",
        name,
        step,
        what,
    )


def resumed_on(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where a training went on elsewhere, from its journal: after which step, and what differed."""
    return [
        {"after_step": event["after_step"], "differs": event["differs"]}
        for event in events
        if event["event"] == RESUME and event.get("differs")
    ]


def _flat(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in NAMES:
        value = environment.get(name)
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", version) for inner, version in value.items())
        elif value is not None:
            yield name, value
