"""Whether a difference also holds on texts that nobody has seen: rows as a second random factor.

Seeds alone speak of this dev set: methods that are equal on all texts differ on its few hundred
rows, and enough seeds will show it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import mul

from alpkd_pipeline.reporting.statistics.borrowed import TTest

Values = Sequence[Sequence[float]]
"""What every dev row (inside) contributes to the score of every seed: `scores.pseudo_values`."""


def on_new_texts(test: TTest, ours: Values, theirs: Values) -> TTest:
    """A test over seeds with the noise of the rows in its error.

    Args:
        test: of the same S seeds on these R rows.
        ours: S x R contributions of one method's runs.
        theirs: S x R of the other's, to the same rows.

    Returns:
        The variance is V_seeds + V_rows - V_residual, with V_seeds that of the test, V_rows the
        variance of the rows' means / R and V_residual the mean square of what both leave / (S R);
        it is at least the larger of the first two. The degrees of freedom stay those of the seeds.
    """
    seeds, rows = len(ours), len(ours[0])
    by_row = zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    of_row = [sum(a) - sum(b) for a, b in by_row]
    of_seed = [math.fsum(a) - math.fsum(b) for a, b in zip(ours, theirs, strict=True)]
    everything = math.fsum(of_seed) ** 2 / (seeds * rows)
    between_rows = math.fsum(map(mul, of_row, of_row)) / seeds - everything
    between_seeds = math.fsum(map(mul, of_seed, of_seed)) / rows - everything
    squares = sum(
        sum(map(mul, a, a)) - 2 * sum(map(mul, a, b)) + sum(map(mul, b, b))
        for a, b in zip(ours, theirs, strict=True)
    )
    rest = max(0.0, squares - everything - between_rows - between_seeds)
    of_rows = between_rows / (rows - 1) / seeds / rows
    residual = rest / ((rows - 1) * (seeds - 1)) / (seeds * rows)
    variance = max(test.error**2, of_rows, test.error**2 + of_rows - residual)
    return replace(test, error=math.sqrt(max(0.0, variance)))
