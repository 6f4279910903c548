"""Which method is best in a column, and what all others are beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from alpkd_pipeline.reporting.statistics.borrowed import TTest
from alpkd_pipeline.reporting.statistics.family import LEVEL, corrected
from alpkd_pipeline.reporting.statistics.judge import Judge
from alpkd_pipeline.reporting.statistics.pairing import Place, Row, pair
from alpkd_pipeline.reporting.statistics.words import (
    KINDS,
    NOTHING,
    WORSE,
    WORSE_WITHIN,
    kind_of,
)


def best(judge: Judge) -> list[Row]:
    """The arm with the best mean of each task and depth, and what the others are beside it.

    `rivals`: label -> kind of verdict on the rival against the best (`worse`, `equal`, ...). All
    pairs of all columns are one family, since which one is best shows only afterwards. `bold` is
    true only where all others are worse; otherwise `note` says why not.
    """
    pairs: dict[tuple[Place, int, int], tuple[TTest, float | None, float]] = {}
    for place, column in judge.places.items():
        margin = judge.plan.margin_of(column[0]["metric"], column[0]["sign"])
        for i, j in combinations(range(len(column)), 2):
            ours, theirs = column[i], column[j]
            shared = pair(ours["units"], theirs["units"])
            share = judge.share(len(shared.ours))
            if ours["setting"] == theirs["setting"] and share is not None:
                pairs[place, i, j] = judge.test(ours, theirs, shared), margin, share
    said = dict(zip(pairs, corrected([*pairs.values()]), strict=True))
    found = []
    for place, column in judge.places.items():
        first = best_of(column)
        at = next(i for i, row in enumerate(column) if row is first)
        rivals: dict[str, str] = {}
        for i, row in enumerate(column):
            key = (place, min(i, at), max(i, at))
            if key in pairs:
                gain = pairs[key][0].mean * first["sign"] * (1 if i < at else -1)
                rivals[row["label"]] = kind_of(gain, *said[key], LEVEL)
            elif i != at:
                rivals[row["label"]] = NOTHING
        note = _why_not(first, column, rivals)
        found.append({**first, "rivals": rivals, "bold": not note, "note": note})
    return found


def _why_not(first: Row, column: Sequence[Row], rivals: Mapping[str, str]) -> str:
    """Why the best is not shown to be better than all others; empty if it is."""
    if not rivals:
        return "there is nothing else in the column"
    for other in column:
        if other["setting"] != first["setting"]:
            return f"{other['label']} was run in another setting"
    by_kind = {k: [label for label, kind in rivals.items() if kind == k] for k in KINDS}
    if by_kind[NOTHING]:
        return f"too few seeds, or no planned look, shared with {', '.join(by_kind[NOTHING])}"
    same = [label for label, kind in rivals.items() if kind not in (WORSE, WORSE_WITHIN)]
    return f"not shown to be better than {', '.join(same)}" if same else ""


def best_of(column: Sequence[Row]) -> Row:
    """The arm with the best mean, of arms of one task: the highest one, the lowest error."""
    return max(column, key=lambda row: row["sign"] * row["mean"])
