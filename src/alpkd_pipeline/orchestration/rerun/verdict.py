"""What may be said of a rerun, and the noise that a difference of scores is measured against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.reporting.statistics.summary import seed_summary, t_interval

Verdict = Literal["bitwise equal", "equal within the seed spread", "drifted", "failed"]

BITWISE: Verdict = "bitwise equal"
WITHIN: Verdict = "equal within the seed spread"
DRIFTED: Verdict = "drifted"
FAILED: Verdict = "failed"

FROM_BEST: tuple[Verdict, ...] = (BITWISE, WITHIN, DRIFTED, FAILED)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; of none, the best."""
    return max(verdicts, key=FROM_BEST.index, default=BITWISE)


ENOUGH_SEEDS = 3
"""Fewer scores say next to nothing about how far seeds lie apart."""


@dataclass(frozen=True, slots=True)
class Band:
    """The least and the largest difference of the deciding score, rerun minus original, that is
    noise: as `n` seeds tell, or `n` dev examples where there are too few seeds."""

    source: Literal["seeds", "examples"]
    n: int
    low: float
    high: float

    def holds(self, difference: float) -> bool:
        """Whether a difference is noise; rounding of the last digit always is."""
        return self.low - 1e-12 <= difference <= self.high + 1e-12

    def __str__(self) -> str:
        if self.source == "seeds":
            return f"{self.low:+.4f} to {self.high:+.4f}, from {self.n} seeds"
        return (
            f"{self.low:+.4f} to {self.high:+.4f}, from {self.n} dev examples:"
            f" fewer than {ENOUGH_SEEDS} seeds are in the store"
        )


def seed_band(scores: Sequence[float]) -> Band | None:
    """How far two runs lie apart that differ in nothing but the seed.

    The difference of two scores drawn like these has the standard deviation s * sqrt(2), where s is
    theirs; t quantiles allow for s being an estimate. There is one score for each seed, the
    original's among them; with fewer than `ENOUGH_SEEDS` there is no band.
    """
    if len(scores) < ENOUGH_SEEDS:
        return None
    seen = seed_summary(scores)
    # The interval is that of a mean, whose deviation is s / sqrt(n).
    low, high = t_interval(seen.n, 0.0, (seen.std or 0.0) * math.sqrt(2 * seen.n))
    return Band("seeds", seen.n, low, high)


def band_of(then: StoredRun, now: StoredRun) -> Band | None:
    """The band for an original and its rerun; None where nothing is there to make one from."""
    return seed_band(seed_scores(then)) or _from_examples(then, now)


def seed_scores(original: StoredRun) -> list[float]:
    """The deciding scores of all runs of the store that differ from one in nothing but the seed.

    One score for each seed, the original's own among them.
    """
    from alpkd_pipeline.reporting.grouping import facts_but_seed, group_id, teacher_facts
    from alpkd_pipeline.reporting.store import finished_runs
    from alpkd_pipeline.store.layout import STUDENTS, TEACHERS

    student = original.stage == "student"
    facts = facts_but_seed if student else teacher_facts
    records = list(finished_runs(original.store, STUDENTS if student else TEACHERS))
    own = [record for record in records if record.key == original.key]
    group, found = {group_id(facts(record)) for record in own}, dict[int, float]()
    # The original first: its own score stands for its seed.
    for record in (*own, *records):
        if record.deciding_score is not None and group_id(facts(record)) in group:
            params = record.run["params"]
            seed = params["seed"] if student else params["teacher"]["seed"]
            found.setdefault(int(seed), record.deciding_score)
    return list(found.values())


def _from_examples(then: StoredRun, now: StoredRun) -> Band | None:
    """How far the choice of dev examples alone moves the difference of these two models.

    The bootstrap interval, moved so that it holds the difference just when the interval holds 0.
    """
    from alpkd_pipeline.reporting.statistics.answers import compare_answers, dev_answers

    try:
        found = compare_answers(dev_answers(now.folder), dev_answers(then.folder))
    except (UserError, ValueError, TypeError):  # answers that are missing, or damaged
        return None
    difference = found.difference
    return Band("examples", found.rows, difference - found.high, difference - found.low)
