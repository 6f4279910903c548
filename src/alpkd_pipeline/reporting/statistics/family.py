"""All tests of a report together: how small their p must be for every word to hold at once."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

from alpkd_pipeline.reporting.statistics.borrowed import TTest

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
