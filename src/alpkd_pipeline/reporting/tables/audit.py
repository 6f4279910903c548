"""What the dev sets of published differences can show: how much of one may be the rows alone.

On n rows one model is right and the other wrong on a share q (their disagreement); their accuracies
differ by d. Over the rows +1, 0 and -1 have the mean d and the variance q - d**2, so the 95 %
interval of the difference is d +- z sqrt((q - d**2) / n), z = 1.96 (paired: both answer the same
rows, as in McNemar's test). Published tables do not say q: half-widths are given for 5, 10 and
15 %, or for |d| where that is more, as q cannot be less. For models that answer different rows
(unpaired) the variance is (a (1 - a) + b (1 - b)) / n with their accuracies a, b. The rows needed
are those of which the half-width at 10 % is |d| itself, z**2 (q - d**2) / d**2: with so many a true
difference of d is found in half of all tries; to find it in 80 % of them takes twice as many.
Only the choice of the dev rows is counted: no seeds, no tuning, no choice of the best epoch.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, product
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.statistics.summary import LEVEL
from alpkd_pipeline.reporting.tables.published import percent
from alpkd_pipeline.reporting.tables.table import (
    MISSING,
    Body,
    Cell,
    Column,
    Table,
    cells,
    number,
    numbers,
)
from alpkd_pipeline.tasks.glue import DEV_ROWS

if TYPE_CHECKING:
    import pandas as pd

NOISE = "within the noise of the dev set"
UNSURE = "larger at 5 % but not at 10 %"
LARGER = "larger"

_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
_METHODS = (
    "no_kd", "kd", "pkd", "tinybert", "theseus", "alp_kd", "minilmv2", "rail_kd", "universal_kd",
    "diito",
)  # fmt: skip
"""Those that are audited, by the day on which their papers became public."""


def half_width(difference: float, disagreement: float, rows: int) -> float:
    """Paired, in points, of a difference in points; the disagreement is a share."""
    d = abs(difference) / 100
    return 100 * _Z * math.sqrt((max(disagreement, d) - d**2) / rows)


def audited(ours: float, theirs: float, rows: int) -> dict[str, Any]:
    """Two accuracies in percent on a dev set of so many rows: difference, half_widths (paired at
    5, 10 and 15 % disagreement) and unpaired in points, rows needed (None for no difference) and
    the verdict, which holds the difference against the first two half-widths.
    """
    d = round(ours - theirs, 2)
    widths = [half_width(d, share, rows) for share in (0.05, 0.10, 0.15)]
    variance = sum(score * (100 - score) for score in (ours, theirs)) / rows
    return {
        "difference": d,
        "half_widths": widths,
        "unpaired": _Z * math.sqrt(variance),
        "needed": math.ceil((half_width(d, 0.10, 1) / d) ** 2) if d else None,
        "verdict": (NOISE, UNSURE, LARGER)[sum(abs(d) > width for width in widths[:2])],
    }


def pairs(frame: pd.DataFrame, task: str, metric: str = "accuracy") -> list[dict[str, Any]]:
    """What `published` claims on dev: two methods of one teacher and depth, the newer one ahead, by
    depth and the newest first; then reruns and what they repeat. `audited`, with the names.
    """
    rows: Any = frame.itertuples()
    known = [row for row in rows if (row.task, row.metric, row.split) == (task, metric, "dev")]
    papers = [row for row in known if row.method in _METHODS and not row.rerun_of]
    papers.sort(key=lambda row: (-row.layers, -_METHODS.index(row.method)))
    found = [
        (a, b)
        for a, b in combinations(papers, 2)
        if (a.model, a.layers) == (b.model, b.layers) and a.method != b.method and a.score > b.score
    ]
    found += [
        (a, b)
        for a, b in product(known, papers)
        if (a.rerun_of, a.model, a.layers, a.method) == (b.source, b.model, b.layers, b.method)
    ]
    return [{"newer": a, "older": b, **audited(a.score, b.score, DEV_ROWS[task])} for a, b in found]


def audit_table(frame: pd.DataFrame, tasks: list[str]) -> Table:
    """The `pairs` of some tasks; of other metrics than accuracy how many. Caption: the verdicts."""
    verdicts: Counter[str] = Counter()
    bodies = []
    for task in tasks:
        found = pairs(frame, task)
        verdicts.update(pair["verdict"] for pair in found if not pair["newer"].rerun_of)
        rows = cells(_COLUMNS, found)
        for metric in sorted(set(frame["metric"]) - {"accuracy", ""}):
            if others := len(pairs(frame, task, metric)):
                empty = [Cell(MISSING)] * (len(_COLUMNS) - 2)
                rows.append([Cell(f"{plural(others, 'pair')} in {metric}"), *empty, _LEFT_OUT])
        bodies.append(Body(rows, heading=f"{task}: {DEV_ROWS[task]:,} dev rows"))
    shares = [f"{verdicts[word]} {word}" for word in (NOISE, UNSURE, LARGER) if verdicts[word]]
    caption = f"Published leads of newer methods in accuracy: {', '.join(shares) or 'none'}"
    return Table(caption, _COLUMNS, bodies)


_WIDTH = "half-width in points of the 95 % interval if so many rows are right for one alone"
_NEEDED = "for a half-width at 10 % as small as the difference; twice as many for a power of 80 %"
_LEFT_OUT = Cell("left out: its noise depends on the answers, which nobody publishes", tone="quiet")
_COLUMNS = (
    Column("newer", lambda p: p["newer"].method + " (rerun)" * bool(p["newer"].rerun_of)),
    numbers("layers", lambda p: number(p["newer"].layers, 0)),
    numbers("score", lambda p: percent(p["newer"].score)),
    Column("against", lambda p: p["older"].method),
    numbers("its score", lambda p: percent(p["older"].score)),
    numbers("difference", lambda p: percent(p["difference"], "+"), "in points"),
    numbers("± at 5 %", lambda p: number(p["half_widths"][0]), _WIDTH),
    numbers("± at 10 %", lambda p: number(p["half_widths"][1])),
    numbers("± at 15 %", lambda p: number(p["half_widths"][2])),
    numbers("± unpaired", lambda p: number(p["unpaired"]), "the same for different rows"),
    numbers("rows needed", lambda p: number(p["needed"], 0), _NEEDED),
    Column("verdict", lambda p: p["verdict"]),
)
