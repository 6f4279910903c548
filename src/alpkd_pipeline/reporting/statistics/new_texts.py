"""Whether a difference also holds on texts that nobody has seen: rows as a second random factor.

Seeds alone speak of this dev set: methods that are equal on all texts differ on its few hundred
rows, and enough seeds will show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import mul, sub

from alpkd_pipeline.reporting.statistics.borrowed import TTest


@dataclass(frozen=True, slots=True)
class Contributions:
    """What the R dev rows contribute to the scores of one method with S seeds."""

    by_seed: Sequence[Sequence[float]]  # S x R, of `scores.pseudo_values`
    of_row: Sequence[float]  # R sums over the seeds
    of_seed: Sequence[float]  # S sums over the rows
    squares: float  # the sum of all squares

    @classmethod
    def of(cls, by_seed: Sequence[Sequence[float]]) -> Contributions:
        """Sum up: every method stands in many pairs."""
        squares = math.fsum(sum(map(mul, row, row)) for row in by_seed)
        of_row = list(map(sum, zip(*by_seed, strict=True)))
        return cls(by_seed, of_row, list(map(math.fsum, by_seed)), squares)


def on_new_texts(test: TTest, ours: Contributions, theirs: Contributions) -> TTest:
    """A test over seeds with the noise of the rows in its error.

    Args:
        test: of the same S seeds on these R rows.
        ours: of one method's runs.
        theirs: of the other's, to the same rows.

    Returns:
        The variance is V_seeds + V_rows - V_residual, with V_seeds that of the test, V_rows the
        variance of the rows' means / R and V_residual the mean square of what both leave / (S R);
        it is at least the larger of the first two. The degrees of freedom stay those of the seeds.
    """
    seeds, rows = len(ours.of_seed), len(ours.of_row)
    of_row = list(map(sub, ours.of_row, theirs.of_row))
    of_seed = list(map(sub, ours.of_seed, theirs.of_seed))
    everything = math.fsum(of_seed) ** 2 / (seeds * rows)
    between_rows = sum(map(mul, of_row, of_row)) / seeds - everything
    between_seeds = math.fsum(map(mul, of_seed, of_seed)) / rows - everything
    crossed = sum(sum(map(mul, a, b)) for a, b in zip(ours.by_seed, theirs.by_seed, strict=True))
    squares = ours.squares + theirs.squares - 2 * crossed
    rest = max(0.0, squares - everything - between_rows - between_seeds)
    of_rows = between_rows / (rows - 1) / seeds / rows
    residual = rest / ((rows - 1) * (seeds - 1)) / (seeds * rows)
    variance = max(test.error**2, of_rows, test.error**2 + of_rows - residual)
    return replace(test, error=math.sqrt(max(0.0, variance)))
