"""Differences to the baselines with their intervals, for one task and depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.formats import scale
from alpkd_pipeline.reporting.plots.canvas import INK, MUTED, PAPER, SMALL, mark_of, row_panel
from alpkd_pipeline.reporting.statistics import words
from alpkd_pipeline.reporting.statistics.arms import Row
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.185  # inches of a comparison

# Short words beside the intervals, with a star for less than the margin; nothing can be said: a
# question mark.
WORDS = {
    words.BETTER: "better",
    words.WORSE: "worse",
    words.BETTER_WITHIN: "better*",
    words.WORSE_WITHIN: "worse*",
    words.EQUAL: "equal",
    words.NOT_DISTINGUISHABLE: "n. d.",
}


def forest(rows: Sequence[Row], metric: str = "") -> Figure:
    """Draw the verdicts of one task and depth, rows of `verdicts`, grouped by baseline: full marks
    are differences that were shown, hollow ones were not, and a comparison without numbers keeps
    its line empty."""
    unit, scores = scale(metric), ("difference", "low", "high")
    rows = [{**row, **{n: unit * float(row[n]) for n in scores if _known(row[n])}} for row in rows]
    lines, headings = dict[int, Row](), dict[int, str]()
    for baseline in dict.fromkeys(str(row["baseline_label"]) for row in rows):
        headings[len(lines) + len(headings)] = baseline
        for row in rows:
            if row["baseline_label"] == baseline:
                lines[len(lines) + len(headings)] = row
    count, limit = len(lines) + len(headings), _limit(rows, unit)
    labels = {y: str(row["label"]) for y, row in lines.items()}
    figure, axes = row_panel(labels, count, ROW * count, right=0.5)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_xlim(-limit, limit)
    for y, baseline in headings.items():
        axes.text(-limit, y, f"against {baseline}", va="center", color=MUTED, fontsize=SMALL)
    across = axes.get_yaxis_transform()
    for y, row in lines.items():
        word = WORDS.get(str(row["kind"]), "?")
        bold: Any = {"color": INK, "fontweight": "bold"} if _shown(row) else {"color": MUTED}
        axes.text(1.02, y, word, transform=across, va="center", fontsize=SMALL, **bold)
    _intervals(axes, lines, limit)
    _dots(axes, lines, limit)
    axes.set_xlabel(f"difference in {metric if is_error(metric) else 'points'}")
    return figure


def _intervals(axes: Axes, lines: Mapping[int, Row], limit: float) -> None:
    from matplotlib.collections import LineCollection

    bounded = {y: row for y, row in lines.items() if _known(row["low"])}
    colours = [mark_of(str(row["method"])).colour for row in bounded.values()]
    ends = {y: (max(row["low"], -limit), min(row["high"], limit)) for y, row in bounded.items()}
    spans = [[(low, y), (high, y)] for y, (low, high) in ends.items()]
    widths = [1.8 if _shown(row) else 1.1 for row in bounded.values()]
    axes.add_collection(LineCollection(spans, colors=colours, linewidths=widths), autolim=False)
    for (y, row), colour in zip(bounded.items(), colours, strict=True):
        if row["low"] < -limit:
            axes.plot([-limit], [y], "<", color=colour, markersize=4, clip_on=False)
        if row["high"] > limit:
            axes.plot([limit], [y], ">", color=colour, markersize=4, clip_on=False)


def _dots(axes: Axes, lines: Mapping[int, Row], limit: float) -> None:
    together: dict[tuple[str, bool], list[tuple[float, int]]] = {}
    for y, row in lines.items():
        if _known(row["difference"]):
            x = max(-limit, min(limit, row["difference"]))
            together.setdefault((str(row["method"]), _shown(row)), []).append((x, y))
    for (method, shown), dots in together.items():
        mark = mark_of(method)
        face = mark.colour if shown else PAPER
        axes.plot(*zip(*dots, strict=True), **mark.dots, markerfacecolor=face)


def _shown(row: Row) -> bool:
    return row["kind"] in WORDS and row["kind"] != words.NOT_DISTINGUISHABLE


def _limit(rows: Sequence[Row], unit: float) -> float:
    """How far to each side: all dots, and intervals unless they dwarf everything else."""
    dots = (abs(row["difference"]) for row in rows if _known(row["difference"]))
    ends = sorted(abs(row[end]) for row in rows for end in ("low", "high") if _known(row[end]))
    # Three seeds can give an interval so wide that nothing else could be seen.
    usual = 2.5 * ends[len(ends) // 2] if ends else 0.0
    return 1.08 * max(
        max(dots, default=0.0) * 1.2, min(ends[-1] if ends else 0.0, usual), 0.001 * unit
    )


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(float(value))
