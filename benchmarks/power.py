"""What the verdicts of a stored comparison could have shown: simulated with its own noise.

    python benchmarks/power.py benchmarks/2026-11-21-minilm benchmarks/2026-11-28-power

Reads `students.csv` and `verdicts.csv` of the folder. For each task and depth the noise is what
the two-way table (method + seed) of the scores leaves over; new families of the same tests are
then drawn from normal noise of that size, without a true difference but for one method that is
ahead of all others of its task and depth by a fixed number of points. Written: how often a test of
that method comes out `better` after Holm, and what the smallest difference is that a test finds
with 80 %, alone and at the first step of its family.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2, norm
from scipy.stats import t as student_t

from alpkd_pipeline.reporting.statistics.arms import holm
from alpkd_pipeline.reporting.statistics.paired import ALPHA, POWER, t_tests

POINTS, FAMILIES = (1, 2, 3, 5, 10), 20_000


def noise(scores: pd.DataFrame) -> float:
    """The standard deviation of one score beside the means of its method and of its seed."""
    table = scores.pivot(index="method", columns="seed", values="score").to_numpy()
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return math.sqrt(float((rest**2).sum()) / freedom)


def found(blocks: list[tuple[float, np.ndarray]], ahead: int, by: float, seeds: int) -> float:
    """How often a test of the method that is ahead in block `ahead` comes out better, percent."""
    rng, p_values, t_values, asked = np.random.default_rng(0), [], [], []
    for number, (size, pairs) in enumerate(blocks):
        methods = int(pairs.max()) + 1
        scores = size * rng.standard_normal((FAMILIES, methods, seeds))
        truth = np.zeros(methods)
        if number == ahead:
            truth[-1] = by
        scores += truth[:, None]
        ours, theirs = scores[:, pairs[:, 0]], scores[:, pairs[:, 1]]
        t, p = t_tests(ours, theirs)
        t_values.append(t)
        p_values.append(p)
        asked += list((pairs[:, 0] == methods - 1) & (number == ahead))
    better = (holm(np.concatenate(p_values, 1)) < ALPHA) & (np.concatenate(t_values, 1) > 0)
    return round(100 * float(better[:, asked].mean()), 1)


def detectable(seeds: int, alpha: float) -> float:
    """The true difference, in standard deviations of differences, that a paired t finds with POWER.

    The power is averaged over the chi distribution of the measured deviation.
    """
    freedom = seeds - 1
    limit = student_t.ppf(1 - alpha / 2, freedom)
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    deviation = np.sqrt(chi2.ppf(quantiles, freedom) / freedom)

    def power(effect: float) -> float:
        shift = effect * math.sqrt(seeds)
        return float(
            (norm.sf(limit * deviation - shift) + norm.cdf(-limit * deviation - shift)).mean()
        )

    return float(brentq(lambda effect: power(effect) - POWER, 0.01, 500))


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("comparison", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    students = pd.read_csv(given.comparison / "students.csv")
    verdicts = pd.read_csv(given.comparison / "verdicts.csv")
    seeds = int(verdicts["n"].iloc[0])
    report: dict[str, object] = {
        "comparison": given.comparison.name,
        "date": str(date.today()),
        "machine": platform.machine(),
        "families": FAMILIES,
        "seeds": seeds,
        "tests": len(verdicts),
    }
    spread = 100 * float(verdicts["std"].median())
    for layers, family in verdicts.groupby("layers"):
        blocks, names = [], []
        for task, tests in family.groupby("task"):
            here = students[(students["task"] == task) & (students["layers"] == layers)]
            methods = sorted(here["method"].unique(), key=lambda name: name == "alp_kd")
            pairs = [
                [methods.index(a), methods.index(b)]
                for a, b in zip(tests.method, tests.baseline, strict=True)
            ]
            blocks.append((100 * noise(here), np.array(pairs)))
            names.append(task)
        size = len(family)
        # A difference has the noise of two scores.
        median = [(spread / math.sqrt(2), pairs) for _, pairs in blocks]
        report[f"{layers} layers"] = {
            "tests in the family": size,
            "noise, points": {
                name: round(s, 2) for name, (s, _) in zip(names, blocks, strict=True)
            },
            "found after Holm, percent, by true lead of alp_kd in points": {
                name: {by: found(blocks, number, by, seeds) for by in POINTS}
                for number, name in enumerate(names)
            }
            | {"median noise of all tests": {by: found(median, 0, by, seeds) for by in POINTS}},
        }
    report["detectable with 80 %, points, median of all tests"] = {
        "alone": round(detectable(seeds, ALPHA) * spread, 1),
        "first step of Holm": round(detectable(seeds, ALPHA / size) * spread, 1),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / f"{given.comparison.name}.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
