"""The arms of one comparison, what was asked of them, and the test of any two.

Whether a difference also holds on texts that nobody has seen takes rows as a second random factor:
seeds alone speak of this dev set. Methods that are equal on all texts differ on its few hundred
rows, and enough seeds will show it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import mul, sub

from alpkd_pipeline.reporting.statistics.arms import (
    Pairing,
    Place,
    Row,
    Unit,
    by_place,
    per_seed,
)
from alpkd_pipeline.reporting.statistics.borrowed import TTest, borrowed_test
from alpkd_pipeline.reporting.statistics.scores import OF_COUNTS, collapsed, pseudo_values
from alpkd_pipeline.reporting.statistics.summary import ENOUGH_SEEDS
from alpkd_pipeline.reporting.statistics.words import Plan, planned_share


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


@dataclass(frozen=True)
class Answers:
    """What one model said to the R dev rows."""

    labels: Sequence[float]  # the right answers
    answers: Sequence[float]  # what the model said

    @cached_property
    def counts(self) -> Counter[tuple[float, float]]:
        """(label, answer) -> how many rows."""
        return Counter(zip(self.labels, self.answers, strict=True))


@dataclass
class Judge:
    """The tests of one comparison."""

    table: Sequence[Row]  # its arms
    plan: Plan  # what was fixed before looking
    answers: Mapping[str, Answers] = field(default_factory=dict)  # by the keys of runs
    # two arms -> the numbers of seeds at which they were tested before
    looks: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict)
    _summed: dict[tuple[str, tuple[Unit, ...]], Contributions] = field(default_factory=dict)

    @cached_property
    def places(self) -> dict[Place, list[Row]]:
        """The arms of every task and depth."""
        return by_place(self.table)

    def test(self, ours: Row, theirs: Row, pairs: Pairing) -> TTest:
        """The borrowed t of a pair with enough shared seeds."""
        units = ours["units"].keys() & theirs["units"].keys()
        others = [
            list(per_seed({unit: row["units"][unit] for unit in units}).values())
            for row in self.places[ours["task"], ours["layers"]]
            if row is not ours
            and row is not theirs
            and row["setting"] == ours["setting"]
            and units <= row["units"].keys()
        ]
        return borrowed_test(
            list(pairs.ours.values()), list(pairs.theirs.values()), others, self.step(ours)
        )

    def share(self, seeds: int) -> float | None:
        """What a test over so many seeds may spend of the level; None: it is not made."""
        return planned_share(self.plan.looks, seeds) if seeds >= ENOUGH_SEEDS else None

    def earlier_looks(self, ours: Row, theirs: Row, seeds: int) -> list[int]:
        """With how many seeds less the two were tested before, without a plan for it."""
        seen = self.looks.get((ours["arm"], theirs["arm"]), ())
        return [] if self.plan.looks else [n for n in seen if n < seeds]

    def step(self, arm: Row) -> float:
        """What one dev row changes the arm's score by; 0 where it has no such step."""
        return 1 / arm["rows"] if arm["metric"] == "accuracy" and arm.get("rows") else 0.0

    def new_texts(self, test: TTest, ours: Row, theirs: Row) -> TTest | None:
        """The same test with the rows' noise; None where answers or a way to do it are missing."""
        units = sorted(ours["units"].keys() & theirs["units"].keys())
        keys = [row["keys"][unit] for row in (ours, theirs) for unit in units]
        if ours["metric"] not in OF_COUNTS or not all(key in self.answers for key in keys):
            return None
        labels = self.answers[keys[0]].labels
        rows = (self.answers[key].labels for key in keys)
        if any(other is not labels and other != labels for other in rows):
            return None
        return on_new_texts(test, *(self._contributions(row, units) for row in (ours, theirs)))

    def _contributions(self, arm: Row, units: Sequence[Unit]) -> Contributions:
        """Of an arm's runs of these units, the mean over a seed's teachers."""
        place = (arm["arm"], tuple(units))
        if place in self._summed:
            return self._summed[place]
        of_seed: dict[int, list[list[float]]] = {}
        for unit in units:
            said = self.answers[arm["keys"][unit]]
            values = pseudo_values(arm["metric"], said.counts)
            rows = zip(said.labels, said.answers, strict=True)
            of_seed.setdefault(unit[0], []).append(list(map(values.__getitem__, rows)))
        by_seed = [
            runs[0] if len(runs) == 1 else [sum(row) / len(runs) for row in zip(*runs, strict=True)]
            for runs in of_seed.values()
        ]
        return self._summed.setdefault(place, Contributions.of(by_seed))

    @cached_property
    def collapsed(self) -> dict[str, bool]:
        """Key of a run -> whether it answers one class, or hardly anything else than one number."""
        metric = {key: arm["metric"] for arm in self.table for key in arm["runs"]}
        return {
            key: collapsed(said.answers, said.labels, metric[key])
            for key, said in self.answers.items()
        }

    def collapsed_runs(self, arm: Row) -> int:
        """How many of an arm's runs do so."""
        return sum(self.collapsed.get(key, False) for key in arm["runs"])
