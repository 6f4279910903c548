"""Tables of scores in which it is known what is true."""

from __future__ import annotations

import numpy as np

BASELINES = ("no_kd", "kd", "pkd")
METHODS = (*BASELINES, "ckd", "alp_kd", "uniform", "last_layer")
PAIRS = [
    (ours, theirs) for ours in range(1, len(METHODS)) for theirs in range(min(ours, len(BASELINES)))
]
"""The tests of one task: each method against the baselines, each pair once."""

NOISE = 0.01
"""Standard deviation of a score over seeds."""


def tables(
    count: int,
    seeds: int,
    *,
    shared: float = 0.5,
    effect: float = 0.0,
    rows: int | None = 408,
    tasks: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Scores (tables, tasks, methods, seeds) around 0.8.

    Args:
        count: the number of tables.
        seeds: the number of seeds.
        shared: the share of the variance that all methods have in common through their seed.
        effect: how many `NOISE` the method alp_kd is truly better on every task.
        rows: examples of the dev split: scores move in steps of one of them; None for no steps.
        tasks: the number of tasks.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(count, tasks, 1, seeds)) * np.sqrt(shared)
    own = rng.normal(size=(count, tasks, len(METHODS), seeds)) * np.sqrt(1 - shared)
    scores = 0.8 + NOISE * (common + own)
    scores[:, :, METHODS.index("alp_kd")] += effect * NOISE
    return scores if rows is None else np.round(scores * rows) / rows


def pairs(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each test of a table compares: ours and theirs, each (tables, tests, seeds)."""
    ours = scores[:, :, [a for a, _ in PAIRS]]
    theirs = scores[:, :, [b for _, b in PAIRS]]
    flat = (len(scores), -1, scores.shape[-1])
    return ours.reshape(flat), theirs.reshape(flat)
