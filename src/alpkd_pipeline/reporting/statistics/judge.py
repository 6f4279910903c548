"""The arms of one comparison, the test of any two, and the answers to what was asked beforehand.

Whether a difference also holds on texts that nobody has seen takes rows as a second random factor:
seeds alone speak of this dev set. Methods that are equal on all texts differ on its few hundred
rows, and enough seeds will show it.

The questions that an experiment was made for are answered by averages over depths and tasks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from operator import mul, sub

from alpkd_pipeline.reporting.statistics import words
from alpkd_pipeline.reporting.statistics.arms import (
    Pairing,
    Row,
    TaskDepth,
    Unit,
    by_task_depth,
    pair,
    per_seed,
)
from alpkd_pipeline.reporting.statistics.scores import OF_COUNTS, collapsed, pseudo_values
from alpkd_pipeline.reporting.statistics.summary import (
    ENOUGH_SEEDS,
    ROUNDING,
    TTest,
    borrowed_test,
    t_quantile,
)


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


def on_new_texts(test: TTest, candidate: Contributions, reference: Contributions) -> TTest:
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
    seeds, rows = len(candidate.of_seed), len(candidate.of_row)
    of_row = list(map(sub, candidate.of_row, reference.of_row))
    of_seed = list(map(sub, candidate.of_seed, reference.of_seed))
    everything = math.fsum(of_seed) ** 2 / (seeds * rows)
    between_rows = sum(map(mul, of_row, of_row)) / seeds - everything
    between_seeds = math.fsum(map(mul, of_seed, of_seed)) / rows - everything
    crossed = sum(
        sum(map(mul, a, b)) for a, b in zip(candidate.by_seed, reference.by_seed, strict=True)
    )
    squares = candidate.squares + reference.squares - 2 * crossed
    rest = max(0.0, squares - everything - between_rows - between_seeds)
    of_rows = between_rows / (rows - 1) / seeds / rows
    residual = rest / ((rows - 1) * (seeds - 1)) / (seeds * rows)
    variance = max(test.error**2, of_rows, test.error**2 + of_rows - residual)
    return replace(test, error=math.sqrt(max(0.0, variance)))


@dataclass(frozen=True)
class LabelledPredictions:
    """What one model said to the R dev rows."""

    labels: Sequence[float]  # the right answers
    predictions: Sequence[float]  # what the model said

    @cached_property
    def counts(self) -> Counter[tuple[float, float]]:
        """(label, answer) -> how many rows."""
        return Counter(zip(self.labels, self.predictions, strict=True))


@dataclass
class Judge:
    """The tests of one comparison."""

    table: Sequence[Row]  # its arms
    plan: words.Plan  # what was fixed before looking
    # by the keys of runs
    predictions: Mapping[str, LabelledPredictions] = field(default_factory=dict)
    # two arms -> the numbers of seeds at which they were tested before
    looks: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict)
    _summed: dict[tuple[str, tuple[Unit, ...]], Contributions] = field(default_factory=dict)

    @cached_property
    def task_depths(self) -> dict[TaskDepth, list[Row]]:
        """The arms of every task and depth."""
        return by_task_depth(self.table)

    def test(self, candidate: Row, reference: Row, pairs: Pairing) -> TTest:
        """The borrowed t of a pair with enough shared seeds."""
        units = candidate["units"].keys() & reference["units"].keys()
        others = [
            list(per_seed({unit: row["units"][unit] for unit in units}).values())
            for row in self.task_depths[candidate["task"], candidate["layers"]]
            if row is not candidate
            and row is not reference
            and row["setting"] == candidate["setting"]
            and units <= row["units"].keys()
        ]
        return borrowed_test(
            list(pairs.candidate.values()),
            list(pairs.reference.values()),
            others,
            self.step(candidate),
        )

    def share(self, seeds: int) -> float | None:
        """What a test over so many seeds may spend of the level; None: it is not made."""
        return words.planned_share(self.plan.looks, seeds) if seeds >= ENOUGH_SEEDS else None

    def earlier_looks(self, candidate: Row, reference: Row, seeds: int) -> list[int]:
        """With how many seeds less the two were tested before, without a plan for it."""
        seen = self.looks.get((candidate["arm"], reference["arm"]), ())
        return [] if self.plan.looks else [n for n in seen if n < seeds]

    def step(self, arm: Row) -> float:
        """What one dev row changes the arm's score by; 0 where it has no such step."""
        return 1 / arm["rows"] if arm["metric"] == "accuracy" and arm.get("rows") else 0.0

    def new_texts(self, test: TTest, candidate: Row, reference: Row) -> TTest | None:
        """The same test with the rows' noise; None where answers or a way to do it are missing."""
        units = sorted(candidate["units"].keys() & reference["units"].keys())
        keys = [row["keys"][unit] for row in (candidate, reference) for unit in units]
        if candidate["metric"] not in OF_COUNTS or not all(key in self.predictions for key in keys):
            return None
        labels = self.predictions[keys[0]].labels
        rows = (self.predictions[key].labels for key in keys)
        if any(other is not labels and other != labels for other in rows):
            return None
        return on_new_texts(
            test, *(self._contributions(row, units) for row in (candidate, reference))
        )

    def _contributions(self, arm: Row, units: Sequence[Unit]) -> Contributions:
        """Of an arm's runs of these units, the mean over a seed's teachers."""
        place = (arm["arm"], tuple(units))
        if place in self._summed:
            return self._summed[place]
        of_seed: dict[int, list[list[float]]] = {}
        for unit in units:
            said = self.predictions[arm["keys"][unit]]
            values = pseudo_values(arm["metric"], said.counts)
            rows = zip(said.labels, said.predictions, strict=True)
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
            key: collapsed(said.predictions, said.labels, metric[key])
            for key, said in self.predictions.items()
        }


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """What one task says of two methods."""

    # one for each seed that all depths share: ours minus theirs, the mean over depths
    differences: Sequence[float]
    margin: float  # what counts as equal, in the score's unit
    depths: int  # how many were averaged
    step: float  # what one dev row changes a score by


def average_test(tasks: Sequence[TaskAnswer]) -> TTest:
    """The differences divided by their tasks' margins, averaged over tasks.

    Every task has a variance of its own, at least that of rounding to its dev rows; the degrees of
    freedom are Satterthwaite's (Biometrics Bull. 2, 1946). The mean is in margins: 1 is the edge of
    what counts as equal. It speaks of these tasks, not of others.
    """
    means, variances = [], []
    for task in tasks:
        n = len(task.differences)
        scaled = [d / task.margin for d in task.differences]
        mean = math.fsum(scaled) / n
        floor = (task.step / task.margin) ** 2 / (6 * task.depths)
        spread = math.fsum((d - mean) ** 2 for d in scaled) / (n - 1)
        means.append(0.0 if abs(mean) < ROUNDING else mean)
        variances.append((max(spread, floor) / n, n - 1))
    total = math.fsum(v for v, _ in variances)
    below = math.fsum(v * v / df for v, df in variances)
    seeds = min(len(task.differences) for task in tasks)
    return TTest(
        n=seeds,
        mean=math.fsum(means) / len(tasks),
        error=math.sqrt(total) / len(tasks),
        df=total**2 / below if below else seeds - 1,
    )


def first_questions(judge: Judge) -> list[Row]:
    """The answers to the plan's first questions, in their order.

    Each has the `question`, `method` and `baseline`, the `tasks` and `depths` that it rests on, `n`
    seeds, the `mean` gain in margins with its 95 % interval `low` to `high`, `df`, `p`,
    `p_corrected` and `p_equal` (corrected over the first questions, which share one half of the
    level), `kind`, `verdict`, and in `note` what was left out, and why.
    """
    rows = [_question_row(judge, method, baseline) for method, baseline in judge.plan.primary]
    tested = [(row, test) for row in rows if (test := row.pop("_test"))]
    for (row, _), found in zip(tested, words.corrected([test for _, test in tested]), strict=True):
        row["p_corrected"], row["p_equal"] = found
        row["kind"] = words.kind_of(row["mean"], *found, words.LEVEL / 2)
        row["verdict"] = words.verdict_text(row["kind"], "the margin")
    return rows


def _question_row(judge: Judge, method: str, baseline: str) -> Row:
    tasks: dict[str, TaskAnswer] = {}
    depths: set[int] = set()
    left_out: list[str] = []
    for task in dict.fromkeys(task for task, _ in judge.task_depths):
        found = list(_by_depth(judge, task, method, baseline, left_out))
        if not found:
            continue
        arm = found[0][0]
        seeds = sorted(set.intersection(*(set(gains) for _, gains in found)))
        margin = judge.plan.margin_of(arm["metric"], arm["sign"])
        if margin is None:
            left_out.append(f"{task}: no margin for {arm['metric']}")
        elif len(seeds) < ENOUGH_SEEDS:
            left_out.append(f"{task}: {len(seeds)} shared seeds, needed: {ENOUGH_SEEDS}")
        else:
            mean = [math.fsum(g[seed] for _, g in found) / len(found) for seed in seeds]
            tasks[task] = TaskAnswer(mean, margin, len(found), judge.step(arm))
            depths |= {row["layers"] for row, _ in found}
    if not tasks and not left_out:
        left_out.append(f"{method} and {baseline} were run together nowhere")
    predictions = list(tasks.values())
    test = average_test(predictions) if predictions else None
    share = judge.share(test.n) if test else None
    if test and share is None:
        left_out.append(f"{test.n} seeds are no planned look")
    row = {
        "question": f"{method} against {baseline}",
        "method": method,
        "baseline": baseline,
        "tasks": list(tasks),
        "depths": sorted(depths, reverse=True),
        "n": 0,
        **dict.fromkeys(("mean", "low", "high", "df", "p", "p_corrected", "p_equal")),
        "kind": words.NOTHING,
        "verdict": words.NOTHING,
        "note": "; ".join(left_out),
        "_test": (test, 1.0, share) if share else None,
    }
    if test:
        half = t_quantile((1 - 0.95) / 2, test.df) * test.error
        row |= {"n": test.n, "mean": test.mean, "df": test.df, "p": test.different}
        row |= {"low": test.mean - half, "high": test.mean + half}
    return row


def _by_depth(
    judge: Judge, task: str, method: str, baseline: str, left_out: list[str]
) -> Iterator[tuple[Row, dict[int, float]]]:
    """The method's arm of a depth and the gain of each shared seed, wherever both were run once."""
    for (name, layers), there in judge.task_depths.items():
        if name != task:
            continue
        both = [[row for row in there if row["method"] == one] for one in (method, baseline)]
        pairs = [(a, b) for a, b in product(*both) if a["setting"] == b["setting"]]
        if len(pairs) == 1:
            candidate, reference = pairs[0]
            found = pair(candidate["units"], reference["units"])
            if found.candidate:
                gains = {
                    s: candidate["sign"] * (x - found.reference[s])
                    for s, x in found.candidate.items()
                }
                yield candidate, gains
                continue
        if all(both):
            why = "were run several times" if pairs else "share no setting or no seed"
            left_out.append(f"{task}, {layers} layers: the two {why}")
