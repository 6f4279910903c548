"""What was fixed before looking, all tests of a report together, and the words that follow.

A word holds only if all do at once: that decides how small a p must be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from alpkd_pipeline.reporting.statistics.summary import TTest

LEVEL = 0.05
"""The chance of even one wrong word that a report takes."""


def step_down(
    different: Sequence[float], equal: Sequence[float | None]
) -> tuple[list[float], list[float | None]]:
    """p values of "these two differ" and of "these two are equal within the margin", corrected.

    Of a pair's two nulls, "no difference" and "at least a margin apart", never both are true. So at
    each step of Holm's method the p is multiplied by the number of pairs that are not yet settled
    both ways, and not by the number of tests that are left (Shaffer, JASA 81, 1986). The chance of
    even one wrong word is at most the level, however the tests depend on one another.

    Args:
        different: one p for each pair.
        equal: the same pairs; None where there is no margin.

    Returns:
        The corrected p in the same order, at most 1; none is smaller than one that came before it.
        With no margins they are Holm's.
    """
    tests = [(p, i, 0) for i, p in enumerate(different)]
    tests += [(p, i, 1) for i, p in enumerate(equal) if p is not None]
    open_tests = [1 + (p is not None) for p in equal]
    corrected: list[list[float | None]] = [[None, None] for _ in different]
    unsettled, largest = len(different), 0.0
    for p, pair, kind in sorted(tests):
        largest = min(1.0, max(largest, p * unsettled))
        corrected[pair][kind] = largest
        open_tests[pair] -= 1
        unsettled -= not open_tests[pair]
    return [float(found[0] or 0.0) for found in corrected], [found[1] for found in corrected]


def corrected(
    tests: Sequence[tuple[TTest, float | None, float]],
) -> list[tuple[float, float | None]]:
    """Both p values of each test of a family, by `step_down`; a test stands with its margin, None
    where there is none, and with the share of the level that its look may spend.
    """
    different = [test.different / share for test, _, share in tests]
    equal = [None if m is None else test.equal(m) / share for test, m, share in tests]
    return list(zip(*step_down(different, equal), strict=True))


def planned_share(looks: Sequence[int], seeds: int) -> float | None:
    """The share of the level that a planned look may spend; None if this look was not planned.

    The increments of the O'Brien-Fleming spending function of Lan and DeMets (Biometrika 70, 1983)
    at the level `LEVEL`, with seeds / last look as the time. Each look tests its own increment on
    p values of t: bounds on z would raise a false alarm in 16 of 100 experiments.
    """
    if not looks:
        return 1.0
    if seeds not in looks:
        return None
    earlier = [n for n in looks if n < seeds]
    before = _spent(earlier[-1] / looks[-1]) if earlier else 0.0
    return (_spent(seeds / looks[-1]) - before) / LEVEL


def _spent(time: float) -> float:
    normal = NormalDist()
    return 2 * normal.cdf(normal.inv_cdf(LEVEL / 2) / time**0.5)


BETTER = "better"
WORSE = "worse"
BETTER_WITHIN = "better within the margin"
WORSE_WITHIN = "worse within the margin"
EQUAL = "equal"
NOT_DISTINGUISHABLE = "not distinguishable"
NOTHING = "nothing can be said"
VERDICTS = (BETTER, BETTER_WITHIN, EQUAL, WORSE_WITHIN, WORSE, NOT_DISTINGUISHABLE, NOTHING)
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


def verdict_text(kind: str, margin: str) -> str:
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
