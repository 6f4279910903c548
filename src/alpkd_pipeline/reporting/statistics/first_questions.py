"""The questions that an experiment was made for, answered by averages over depths and tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from alpkd_pipeline.reporting.statistics.arms import Row, pair
from alpkd_pipeline.reporting.statistics.borrowed import ROUNDING, TTest, t_quantile
from alpkd_pipeline.reporting.statistics.judge import Judge
from alpkd_pipeline.reporting.statistics.summary import ENOUGH_SEEDS
from alpkd_pipeline.reporting.statistics.words import LEVEL, NOTHING, corrected, in_words, kind_of


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
    rows = [_asked(judge, method, baseline) for method, baseline in judge.plan.primary]
    tests = [row.pop("_test") for row in rows]
    tested = [row for row, test in zip(rows, tests, strict=True) if test]
    for row, found in zip(tested, corrected([*filter(None, tests)]), strict=True):
        row["p_corrected"], row["p_equal"] = found
        row["kind"] = kind_of(row["mean"], *found, LEVEL / 2)
        row["verdict"] = in_words(row["kind"], "the margin")
    return rows


def _asked(judge: Judge, method: str, baseline: str) -> Row:
    tasks: dict[str, TaskAnswer] = {}
    depths: set[int] = set()
    left_out: list[str] = []
    for task in dict.fromkeys(task for task, _ in judge.places):
        found = list(_by_depth(judge, task, method, baseline, left_out))
        if not found:
            continue
        arm = found[0][1]
        seeds = sorted(set.intersection(*(set(gains) for _, _, gains in found)))
        margin = judge.plan.margin_of(arm["metric"], arm["sign"])
        if margin is None:
            left_out.append(f"{task}: no margin for {arm['metric']}")
        elif len(seeds) < ENOUGH_SEEDS:
            left_out.append(f"{task}: {len(seeds)} shared seeds, needed: {ENOUGH_SEEDS}")
        else:
            mean = [math.fsum(g[seed] for _, _, g in found) / len(found) for seed in seeds]
            tasks[task] = TaskAnswer(mean, margin, len(found), judge.step(arm))
            depths |= {layers for layers, _, _ in found}
    if not tasks and not left_out:
        left_out.append(f"{method} and {baseline} were run together nowhere")
    answers = list(tasks.values())
    test = average_test(answers) if answers else None
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
        "kind": NOTHING,
        "verdict": NOTHING,
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
) -> Iterator[tuple[int, Row, dict[int, float]]]:
    """The depth, the method's arm and the gain of each shared seed, wherever both were run once."""
    for (name, layers), there in judge.places.items():
        if name != task:
            continue
        both = [[row for row in there if row["method"] == one] for one in (method, baseline)]
        pairs = [(a, b) for a, b in product(*both) if a["setting"] == b["setting"]]
        if len(pairs) == 1:
            ours, theirs = pairs[0]
            found = pair(ours["units"], theirs["units"])
            if found.ours:
                gains = {s: ours["sign"] * (x - found.theirs[s]) for s, x in found.ours.items()}
                yield layers, ours, gains
                continue
        if all(both):
            why = "were run several times" if pairs else "share no setting or no seed"
            left_out.append(f"{task}, {layers} layers: the two {why}")
