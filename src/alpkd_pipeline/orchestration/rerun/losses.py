"""The losses of two trainings, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LossComparison:
    """The losses that both journals tell.

    Attributes:
        steps: how many lines of steps the original has.
        first: the first step whose losses differ, or that only one of them has; None if all agree.
        then: the total loss of the original at that step.
        now: that of the rerun.
        largest: the largest difference of a total loss; 0 if all agree.
        rate_from: the first step whose learning rate differs.
        readable: whether both journals could be read.
    """

    steps: int
    first: int | None = None
    then: float | None = None
    now: float | None = None
    largest: float = 0.0
    rate_from: int | None = None
    readable: bool = True

    @property
    def equal(self) -> bool:
        """Whether every loss of every step is the same number."""
        return self.readable and self.first is None


def compare_losses(then: list[dict[str, Any]], now: list[dict[str, Any]]) -> LossComparison:
    """Compare the lines of steps of two journals, the raw and the weighted losses of each.

    Args:
        then: the original's events.
        now: the rerun's.
    """
    ours, theirs = _steps(now), _steps(then)
    shared = sorted(set(ours) & set(theirs))
    one_sided = set(ours) ^ set(theirs)
    other = [n for n in shared if any(ours[n].get(k) != theirs[n].get(k) for k in _LOSSES)]
    rates = [n for n in shared if ours[n].get("lr") != theirs[n].get("lr")]
    first = min([*other, *one_sided], default=None)
    return LossComparison(
        steps=len(theirs),
        first=first,
        then=None if first is None else _total(theirs.get(first)),
        now=None if first is None else _total(ours.get(first)),
        largest=max((_apart(ours[n], theirs[n]) for n in other), default=0.0),
        rate_from=min(rates, default=None),
    )


_LOSSES = ("loss", "weighted")


def _steps(events: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {int(event["step"]): event for event in events if event["event"] == "step"}


def _total(event: Mapping[str, Any] | None) -> float | None:
    value = (event or {}).get("loss", {}).get("total")
    return None if value is None else float(value)


def _apart(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> float:
    then, now = _total(theirs), _total(ours)
    return 0.0 if then is None or now is None else abs(now - then)
