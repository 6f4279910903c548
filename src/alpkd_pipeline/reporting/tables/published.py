"""What the papers report on GLUE, to be shown beside our numbers and never in them.

Other teachers, other selections of the best run, other versions of everything: such numbers say
what was found elsewhere, and no test compares them with ours.

The audit asks what their own differences are worth: how much of one may be the dev rows alone. On n
rows one model is right and the other wrong on a share q (their disagreement); their accuracies
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
from functools import partial
from itertools import combinations, product
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.statistics.summary import LEVEL
from alpkd_pipeline.reporting.tables.table import (
    MISSING,
    Body,
    Column,
    Table,
    TableCell,
    cells,
    number,
    numbers,
    points,
)
from alpkd_pipeline.tasks.glue import DEV_ROWS, GLUE

if TYPE_CHECKING:
    import pandas as pd

    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.arms import Row

FILE = Path(__file__).parents[1] / "published" / "published.csv"
"""README.md beside it says where its numbers come from."""


def published() -> pd.DataFrame:
    """The published scores, one row for each.

    Columns: source, model, layers (NaN where a model has no depth), method, split (dev or test),
    task, metric (our names, empty where the source does not say), score in percent, rerun_of (of a
    repetition by others the source of the number that it repeats, else empty), note.
    """
    import pandas as pd

    real = dict.fromkeys(("score", "layers"), "float64")
    return pd.read_csv(FILE, dtype=real, keep_default_na=False, na_values={"layers": [""]})


def percent(score: float, plus: str = "") -> str:
    """A published score, or a difference, with the digits that it has: `72.1`, `60.65`."""
    return points(score / 100, 1 if score == round(score, 1) else 2, plus=plus)


def of_papers(frame: pd.DataFrame, tasks: list[str], split: str = "dev") -> Table:
    """The scores of `published` on one split: a body for each source, reruns below each line."""
    frame = frame[(frame["split"] == split) & frame["task"].isin(tasks)]
    columns = [
        Column("method", lambda line: line["method"] + " (rerun)" * bool(line["rerun_of"])),
        numbers("layers", lambda line: number(line["layers"], 0)),
        Column("model", lambda line: line["model"]),
        *(numbers(task, partial(_score, task), GLUE[task].task.metrics[0]) for task in tasks),
        Column("remark", lambda line: TableCell(line["note"], tone="quiet")),
    ]
    bodies = []
    repeated = frame["rerun_of"].where(frame["rerun_of"] != "", frame["source"])
    for source, rows in frame.groupby(repeated, sort=False):
        columns_of = rows.groupby(["model", "layers", "method"], sort=False, dropna=False)
        lines = [
            _line(of) for _, column in columns_of for _, of in column.groupby("source", sort=False)
        ]
        bodies.append(Body(cells(columns, lines), heading=str(source)))
    return Table(f"Published {split} scores in percent", columns, bodies).without_empty()


def _line(of: pd.DataFrame) -> Row:
    """What the scores of one source and place share, and each score by its task."""
    line = of.iloc[0].to_dict()
    said = [line["source"]] if line["rerun_of"] else []
    said += [part for note in of["note"] for part in note.split("; ") if part]
    scores = of.set_index("task")[["score", "metric"]].to_dict("index")
    return line | {"note": "; ".join(dict.fromkeys(said)), "scores": scores}


def _score(task: str, line: Row) -> str:
    """The score; beside it its metric, where that is not the one that decides here."""
    found = line["scores"].get(task)
    if found is None:
        return MISSING
    decides = found["metric"] == GLUE[task].task.metrics[0]
    return percent(found["score"]) + ("" if decides else f" ({found['metric'] or '?'})")


def of_this_store(sources: Sources, tasks: list[str]) -> Table:
    """Our means on the same tasks."""
    arms = {(arm["layers"], arm["label"], arm["task"]): arm for arm in sources.arms}

    def score(task: str, column: tuple[int, str]) -> TableCell:
        arm = arms.get((*column, task))
        if arm is None:
            return TableCell(MISSING)
        mean = points(arm["mean"], metric=arm["metric"])
        return TableCell(mean, href=sources.runs_of(arm["runs"]))

    columns = [
        Column("method", lambda column: column[1]),
        numbers("layers", lambda column: str(column[0])),
        *(numbers(task, partial(score, task)) for task in tasks),
    ]
    bodies = []
    for layers in sources.depths:
        columns_of = [(layers, label) for label in sources.labels[layers]]
        there = [column for column in columns_of if any((*column, task) in arms for task in tasks)]
        bodies.append(Body(cells(columns, there)))
    return Table("Our means over seeds, in percent", columns, bodies)


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


def audited(own: float, other: float, rows: int) -> dict[str, Any]:
    """Two accuracies in percent on a dev set of so many rows: difference, half_widths (paired at
    5, 10 and 15 % disagreement) and unpaired in points, rows needed (None for no difference) and
    the verdict, which holds the difference against the first two half-widths.
    """
    d = round(own - other, 2)
    widths = [half_width(d, share, rows) for share in (0.05, 0.10, 0.15)]
    variance = sum(score * (100 - score) for score in (own, other)) / rows
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
                empty = [TableCell(MISSING)] * (len(_COLUMNS) - 2)
                rows.append([TableCell(f"{plural(others, 'pair')} in {metric}"), *empty, _LEFT_OUT])
        bodies.append(Body(rows, heading=f"{task}: {DEV_ROWS[task]:,} dev rows"))
    shares = [f"{verdicts[word]} {word}" for word in (NOISE, UNSURE, LARGER) if verdicts[word]]
    caption = f"Published leads of newer methods in accuracy: {', '.join(shares) or 'none'}"
    return Table(caption, _COLUMNS, bodies)


_WIDTH = "half-width in points of the 95 % interval if so many rows are right for one alone"
_NEEDED = "for a half-width at 10 % as small as the difference; twice as many for a power of 80 %"
_LEFT_OUT = TableCell(
    "left out: its noise depends on the answers, which nobody publishes", tone="quiet"
)
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
