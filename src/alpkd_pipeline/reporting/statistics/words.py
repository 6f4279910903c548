"""What was fixed before looking, and the words that follow from two p values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from alpkd_pipeline.reporting.statistics.family import LEVEL

BETTER = "better"
WORSE = "worse"
BETTER_WITHIN = "better within the margin"
WORSE_WITHIN = "worse within the margin"
EQUAL = "equal"
NOT_DISTINGUISHABLE = "not distinguishable"
NOTHING = "nothing can be said"
KINDS = (BETTER, BETTER_WITHIN, EQUAL, WORSE_WITHIN, WORSE, NOT_DISTINGUISHABLE, NOTHING)
"""The kinds of verdicts; the words say the margin too."""

MARGINS = {"matthews": 2.5}
"""In points. One accuracy point on CoLA is 2.5 to 3.5 points of Matthews' correlation."""
POINT = 1.0
"""The margin of all other scores, in points."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a comparison was asked before anybody looked."""

    primary: Sequence[Sequence[str]] = ()  # first questions: (method, against which method)
    # metric -> what counts as equal, in points; of an error in its own unit
    margin: Mapping[str, float] = field(default_factory=dict)
    looks: Sequence[int] = ()  # numbers of seeds, rising

    def margin_of(self, metric: str, sign: int) -> float | None:
        """The margin in the score's own unit; an error, whose sign is -1, has none by itself."""
        if sign < 0:
            return self.margin.get(metric)
        return self.margin.get(metric, MARGINS.get(metric, POINT)) / 100

    @property
    def level(self) -> float:
        """What is left for the pairs: first questions take one half."""
        return LEVEL / 2 if self.primary else LEVEL


def kind_of(gain: float, different: float | None, equal: float | None, level: float) -> str:
    """The kind of verdict on a gain, from its two corrected p; None: there is no such test."""
    if different is None:
        return NOTHING
    within = equal is not None and equal < level
    if different < level:
        words = (BETTER_WITHIN, WORSE_WITHIN) if within else (BETTER, WORSE)
        return words[gain < 0]
    return EQUAL if within else NOT_DISTINGUISHABLE


def in_words(kind: str, margin: str) -> str:
    """`equal within 1 point`, `better, by less than 2.5 points`."""
    sized = {
        EQUAL: f"{EQUAL} within {margin}",
        BETTER_WITHIN: f"{BETTER}, by less than {margin}",
        WORSE_WITHIN: f"{WORSE}, by less than {margin}",
    }
    return sized.get(kind, kind)


def margin_text(margin: float, sign: int) -> str:
    """A margin in words: `1 point`, `2.5 points`; of an error, whose sign is -1, `0.1`."""
    if sign < 0:
        return f"{margin:g}"
    points = round(100 * margin, 6)
    return f"{points:g} point{'' if points == 1 else 's'}"
