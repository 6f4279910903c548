"""Which students run with numbers that a search found, and how that search chose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alpkd_pipeline.reporting.grouping import flat
from alpkd_pipeline.reporting.store import RunRecord
from alpkd_pipeline.reporting.sweeps import Record

NOT_TUNED = ""

Place = tuple[str, str, int]
"""Task, method and number of layers."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one study of a search found.

    Attributes:
        search: the search's id.
        selection: the rows that scored its trials, `holdout` or `dev`.
        values: dotted parameter -> the best value, as compact JSON.
    """

    search: str
    selection: str
    values: Mapping[str, str]


def findings(searches: Sequence[Record]) -> dict[Place, list[Found]]:
    """What was found for each task, method and depth, the newest first.

    Args:
        searches: the records, the oldest first.
    """
    found: dict[Place, list[Found]] = {}
    for record in reversed(searches):
        for study in record["studies"]:
            if not study.get("best"):
                continue
            place = (str(study["task"]), str(study["method"]), int(study["layers"]))
            best = Found(
                search=str(record["id"]),
                selection=str(record.get("selection", "holdout")),
                values=flat(study["best"]["values"]),
            )
            found.setdefault(place, []).append(best)
    return found


def tuned_by(record: RunRecord, found: Mapping[Place, Sequence[Found]]) -> Found | None:
    """The study that found the numbers of a student, None if they were not searched.

    A student counts as tuned when it has all the best values of a study of its task, method and
    depth, however it came by them. A study that had nothing to choose tunes nothing.

    Args:
        record: the student.
        found: of `findings`.
    """
    return study_of(record.run, found)


def study_of(run: Mapping[str, Any], found: Mapping[Place, Sequence[Found]]) -> Found | None:
    """The same of a student's run.json."""
    params = run["params"]
    here = flat(params)
    place = (run["task"]["name"], params["method"]["name"], params["student"]["layers"])
    for best in found.get(place, ()):
        chosen = best.values.items()
        if chosen and all(_same(here.get(name), value) for name, value in chosen):
            return best
    return None


def _same(ours: Any, theirs: Any) -> bool:
    """Whether two JSON texts are one value; 2 and 2.0 are."""
    if ours == theirs:
        return True
    try:
        return float(ours) == float(theirs)
    except (TypeError, ValueError):
        return False
