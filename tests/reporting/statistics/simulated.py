"""Experiments of which the truth is known: how often the words about them are wrong.

    python -m tests.reporting.statistics.simulated --families 2000

prints the table of docs/statistics.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpkd_pipeline.reporting.statistics.judge import Judge, LabelledPredictions, first_questions
from alpkd_pipeline.reporting.statistics.summary import borrowed_test
from alpkd_pipeline.reporting.statistics.verdict import verdicts
from alpkd_pipeline.reporting.statistics.words import (
    BETTER,
    BETTER_WITHIN,
    EQUAL,
    WORSE,
    WORSE_WITHIN,
    Plan,
)

METHODS = ("no_kd", "kd", "pkd", "ckd", "alp_kd", "uniform")
"""12 pairs of a task: three tasks are 36 tests, fourteen tasks and depths 168."""

POINT = 0.01
"""The standard deviation of a difference over seeds, and the margin."""

DIFFERENT = (BETTER, BETTER_WITHIN, WORSE, WORSE_WITHIN)
CLOSE = (EQUAL, BETTER_WITHIN, WORSE_WITHIN)

Scores = np.ndarray
"""(places, methods, seeds)."""


@dataclass(frozen=True)
class Noise:
    """How scores of a place vary over seeds."""

    factors: Mapping[str, float]  # method -> how much noisier it is
    draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    rows: int | None = None  # scores move in steps of one of so many dev rows


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def _heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_t(3, shape) / 3**0.5


NOISES = {
    "equal noise": Noise({}, _normal),
    "no_kd twice as noisy": Noise({"no_kd": 2}, _normal),
    "one method 3 times noisier": Noise({"uniform": 3}, _normal),
    "a baseline 3 times noisier": Noise({"kd": 3}, _normal),
    "heavy tails (t with 3 df)": Noise({}, _heavy),
    "steps of 1/277": Noise({}, _normal, 277),
}


def scores(
    rng: np.random.Generator, noise: Noise, seeds: int, places: int, ahead: float = 0.0
) -> Scores:
    """A draw; alp_kd is truly ahead of all others by `ahead`."""
    size = np.array([noise.factors.get(m, 1.0) for m in METHODS])[:, None]
    shared = rng.standard_normal((places, 1, seeds))
    drawn = noise.draw(rng, (places, len(METHODS), seeds))
    found: Scores = 0.8 + POINT * (shared + size * drawn / 2**0.5)
    found[:, METHODS.index("alp_kd")] += ahead
    return found if noise.rows is None else np.round(found * noise.rows) / noise.rows


NO_PLAN = Plan()


def judge_of(
    drawn: Scores, plan: Plan = NO_PLAN, rows: int | None = None, predictions: Any = None
) -> Judge:
    """What judges a draw, each of its places a task of its own."""
    table = []
    for place, methods in enumerate(drawn.tolist()):
        for method, of_seed in zip(METHODS, methods, strict=True):
            units = {(seed, "t"): score for seed, score in enumerate(of_seed)}
            keys = {unit: f"{place}/{method}/{unit[0]}" for unit in units}
            table.append(
                {
                    "task": f"task{place}",
                    "layers": 4,
                    "metric": "accuracy",
                    "method": method,
                    "arm": method,
                    "label": method,
                    "setting": "s",
                    "setting_differs": "",
                    "sign": 1,
                    "rows": rows,
                    "units": units,
                    "keys": keys,
                    "runs": list(keys.values()),
                    "mean": sum(of_seed),
                }
            )
    return Judge(table, plan, predictions or {})


def kinds(judge: Judge) -> list[tuple[str, str, str]]:
    """(method, baseline, kind) of every pair."""
    return [(row["method"], row["baseline"], row["kind"]) for row in verdicts(judge)]


def apart(method: str, baseline: str) -> bool:
    """Whether the two truly differ wherever alp_kd is ahead."""
    return "alp_kd" in (method, baseline)


# Rates: each takes numbers and gives a share of 0 to 1 ----------------------------------------


def false_alarms(noise: Noise, seeds: int, places: int, families: int) -> float:
    """Families in which any pair of equal methods is said to differ."""
    rng, wrong = np.random.default_rng(seeds), 0
    for _ in range(families):
        judge = judge_of(scores(rng, noise, seeds, places), rows=noise.rows)
        wrong += any(kind in DIFFERENT for _, _, kind in kinds(judge))
    return wrong / families


def false_equality(seeds: int, families: int) -> float:
    """Families with a wrong word where alp_kd is ahead by just the margin."""
    rng, wrong = np.random.default_rng(seeds), 0
    for _ in range(families):
        drawn = scores(rng, NOISES["equal noise"], seeds, 3, ahead=POINT)
        wrong += any(
            kind in (CLOSE if apart(a, b) else DIFFERENT) for a, b, kind in kinds(judge_of(drawn))
        )
    return wrong / families


def false_at_planned_looks(families: int) -> float:
    """Families with a false alarm at 5 seeds or, looked at again, at 10."""
    rng, wrong, plan = np.random.default_rng(0), 0, Plan(looks=(5, 10))
    for _ in range(families):
        drawn = scores(rng, NOISES["equal noise"], 10, 3)
        wrong += any(
            kind in DIFFERENT
            for n in (5, 10)
            for _, _, kind in kinds(judge_of(drawn[:, :, :n], plan))
        )
    return wrong / families


def false_at_every_look(families: int, places: int, pair: bool) -> float:
    """Experiments with a false alarm at any look after each of 3 to 10 seeds, unplanned: in one
    pair alone, or in a whole family.
    """
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(families):
        drawn = scores(rng, NOISES["equal noise"], 10, places)
        wrong += any(
            borrowed_test(*drawn[0, :2, :n].tolist(), drawn[0, 2:, :n].tolist()).different < 0.05
            if pair
            else any(kind in DIFFERENT for _, _, kind in kinds(judge_of(drawn[:, :, :n])))
            for n in range(3, 11)
        )
    return wrong / families


FIRST = Plan(primary=(("alp_kd", "kd"),))


def false_beside_first_question(seeds: int, families: int) -> float:
    """Families with any wrong word, in the answer to the first question or in a pair."""
    rng, wrong = np.random.default_rng(seeds), 0
    for _ in range(families):
        judge = judge_of(scores(rng, NOISES["no_kd twice as noisy"], seeds, 3), FIRST)
        (answer,) = first_questions(judge)
        wrong += answer["kind"] in DIFFERENT or any(k in DIFFERENT for _, _, k in kinds(judge))
    return wrong / families


def _answered(rng: np.random.Generator, seeds: int, rows: int) -> tuple[Scores, dict[str, Any]]:
    """One task of methods that are equal on all texts, and each its own on these rows."""
    own = rng.standard_normal((len(METHODS), 1, rows)) * 0.5
    each = rng.standard_normal((len(METHODS), seeds, rows)) * 0.5
    right = rng.standard_normal((1, 1, rows)) + own + each > -1.0
    labels = [1] * rows
    predictions = {
        f"0/{method}/{seed}": LabelledPredictions(labels, right[m, seed].astype(int).tolist())
        for m, method in enumerate(METHODS)
        for seed in range(seeds)
    }
    return right.mean(-1)[None], predictions


def false_on_new_texts(seeds: int, families: int) -> tuple[float, float]:
    """Families of methods that are equal on all texts, in which a pair is said to differ on new
    texts, and those in which one is said to differ on this dev set (which is no error)."""
    rng, wrong, here = np.random.default_rng(seeds), 0, 0
    for _ in range(families):
        drawn, predictions = _answered(rng, seeds, 277)
        said = verdicts(judge_of(drawn, rows=277, predictions=predictions))
        wrong += any(row["new_texts"].startswith((BETTER, WORSE)) for row in said)
        here += any(row["kind"] in DIFFERENT for row in said)
    return wrong / families, here / families


def found(seeds: int, ahead: float, families: int) -> float:
    """How often a pair with alp_kd is said to be better, of 36 pairs."""
    rng, seen, asked = np.random.default_rng(seeds), 0, 0
    for _ in range(families):
        drawn = scores(rng, NOISES["equal noise"], seeds, 3, ahead)
        said = [kind for a, _, kind in kinds(judge_of(drawn)) if a == "alp_kd"]
        seen, asked = seen + sum(k in (BETTER, BETTER_WITHIN) for k in said), asked + len(said)
    return seen / asked


def found_by_first_question(seeds: int, tasks: int, families: int) -> float:
    """How often the first question finds a true lead of a margin, alone and at 5 %."""
    rng, seen = np.random.default_rng(seeds), 0
    for _ in range(families):
        drawn = scores(rng, NOISES["equal noise"], seeds, tasks, POINT)
        (answer,) = first_questions(judge_of(drawn, FIRST))
        seen += answer["p"] < 0.05
    return seen / families


def found_equal(seeds: int, margin: float, families: int) -> float:
    """How often equal methods are called so, of 36 pairs, within so many sd of a difference."""
    rng, seen, asked = np.random.default_rng(seeds), 0, 0
    plan = Plan(margin={"accuracy": 100 * POINT * margin})
    for _ in range(families):
        said = [
            k for _, _, k in kinds(judge_of(scores(rng, NOISES["equal noise"], seeds, 3), plan))
        ]
        seen, asked = seen + sum(kind in CLOSE for kind in said), asked + len(said)
    return seen / asked


def table(families: int) -> Iterator[str]:
    """The rows of docs/statistics.md."""
    yield "| any wrong word in a family | 3 seeds | 5 seeds | 10 seeds |"
    yield "|---|---|---|---|"

    def line(name: str, rates: Sequence[float]) -> str:
        return f"| {name} | {' | '.join(f'{100 * rate:.1f} %' for rate in rates)} |"

    for places in (3, 14):
        for name, noise in NOISES.items():
            rates = [false_alarms(noise, n, places, families) for n in (3, 5, 10)]
            yield line(f"{12 * places} pairs, {name}", rates)
    rates = [false_equality(n, families) for n in (3, 5, 10)]
    yield line("36 pairs, one method ahead by just the margin", rates)
    rates = [false_beside_first_question(n, families) for n in (3, 5, 10)]
    yield line("36 pairs beside a first question, no_kd twice as noisy", rates)
    on_new = [false_on_new_texts(n, max(families // 4, 1)) for n in (3, 5, 10)]
    yield line("12 pairs, equal on all texts: on new texts", [rate for rate, _ in on_new])
    yield line("the same, on this dev set (no error)", [rate for _, rate in on_new])
    looks = false_at_planned_looks(families)
    yield f"| 36 pairs, looked at with 5 and with 10 seeds as planned | | | {100 * looks:.1f} % |"
    every = false_at_every_look(max(families // 4, 1), 3, pair=False)
    yield f"| the same after each of 3 to 10 seeds, unplanned | | | {100 * every:.1f} % |"
    every = false_at_every_look(families, 1, pair=True)
    yield f"| one pair alone at 5 %, looked at as often | | | {100 * every:.1f} % |"
    yield ""
    yield "| found | 3 seeds | 5 seeds | 10 seeds |"
    yield "|---|---|---|---|"
    few = max(families // 4, 1)
    rates = [found(n, 2 * POINT, few) for n in (3, 5, 10)]
    yield line("a true lead of 2 sd, among 36 pairs", rates)
    rates = [found_by_first_question(n, 3, families) for n in (3, 5, 10)]
    yield line("a true lead of a margin of 1 sd, by a first question on 3 tasks", rates)
    rates = [found_equal(n, 1, few) for n in (3, 5, 10)]
    yield line("equality within 1 sd, among 36 pairs", rates)
    rates = [found_equal(n, 2, few) for n in (3, 5, 10)]
    yield line("equality within 2 sd, among 36 pairs", rates)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", type=int, default=2000)
    start, families = time.perf_counter(), parser.parse_args().families
    for text in table(families):
        print(text, flush=True)
    print(f"\n{families} families each, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
