"""Differences to the baselines with their intervals, for one task and depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.plots.canvas import (
    INK,
    MUTED,
    PAPER,
    SMALL,
    cut,
    label_width,
    mark_of,
    panel,
    row_labels,
    style,
)
from alpkd_pipeline.reporting.statistics.summary import scale
from alpkd_pipeline.reporting.statistics.verdict import BETTER, NOT_DISTINGUISHABLE, WORSE
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.185
"""Inches of a comparison."""

WORDS = {BETTER: "better", WORSE: "worse", NOT_DISTINGUISHABLE: "n. d."}
"""Short words beside the intervals; nothing can be said: a question mark."""

Row = Mapping[Any, Any]


def forest(rows: Sequence[Row], metric: str = "") -> Figure:
    """Draw the verdicts of one task and depth, grouped by baseline.

    Args:
        rows: of `verdicts`, as dictionaries: `label`, `method`, `baseline_label`, `difference`,
            `low`, `high` (as scores are, or missing) and `verdict`. Full marks are differences that
            were shown, hollow ones were not; a comparison without numbers keeps its line empty.
        metric: of the scores.
    """
    unit = scale(metric)
    scores = ("difference", "low", "high")
    rows = [{**row, **{n: unit * float(row[n]) for n in scores if _known(row[n])}} for row in rows]
    lines, headings = _placed(rows)
    count = len(lines) + len(headings)
    limit = _limit(rows, unit)
    labels = [cut(str(row["label"])) for row in rows]
    with style():
        figure, axes = panel(ROW * count, left=label_width(labels), right=0.5)
        axes.axvline(0.0, color=INK, linewidth=0.8)
        axes.set_xlim(-limit, limit)
        axes.set_ylim(count - 0.4, -0.6)
        for y, baseline in headings.items():
            axes.text(-limit, y, f"against {baseline}", va="center", color=MUTED, fontsize=SMALL)
        row_labels(axes, [cut(str(row["label"])) for row in lines.values()], list(lines))
        _words(axes, lines)
        _intervals(axes, lines, limit)
        _dots(axes, lines, limit)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.grid(True)
        axes.locator_params(axis="x", nbins=4)
        what = metric if is_error(metric) else "points"
        axes.set_xlabel(f"difference in {what}", fontsize=SMALL)
    return figure


def _placed(rows: Sequence[Row]) -> tuple[dict[int, Row], dict[int, str]]:
    """Line -> comparison, and line -> baseline for the lines above each group."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row["baseline_label"]), []).append(row)
    lines: dict[int, Row] = {}
    headings: dict[int, str] = {}
    for baseline, group in groups.items():
        headings[len(lines) + len(headings)] = baseline
        for row in group:
            lines[len(lines) + len(headings)] = row
    return lines, headings


def _words(axes: Axes, lines: Mapping[int, Row]) -> None:
    across = axes.get_yaxis_transform()
    for y, row in lines.items():
        how: dict[str, Any] = {"color": MUTED}
        if _shown(row):
            how = {"color": INK, "fontweight": "bold"}
        word = WORDS.get(str(row["verdict"]), "?")
        axes.text(1.02, y, word, transform=across, va="center", fontsize=SMALL, **how)


def _intervals(axes: Axes, lines: Mapping[int, Row], limit: float) -> None:
    from matplotlib.collections import LineCollection

    ends = {y: _ends(row) for y, row in lines.items() if _known(row["low"])}
    colours = [mark_of(str(lines[y]["method"])).colour for y in ends]
    spans = [[(max(low, -limit), y), (min(high, limit), y)] for y, (low, high) in ends.items()]
    widths = [1.8 if _shown(lines[y]) else 1.1 for y in ends]
    axes.add_collection(LineCollection(spans, colors=colours, linewidths=widths), autolim=False)
    for y, (low, high) in ends.items():
        for gone, at, arrow in ((low < -limit, -limit, "<"), (high > limit, limit, ">")):
            if gone:
                colour = mark_of(str(lines[y]["method"])).colour
                axes.plot([at], [y], arrow, color=colour, markersize=4, clip_on=False)


def _dots(axes: Axes, lines: Mapping[int, Row], limit: float) -> None:
    together: dict[tuple[str, bool], list[tuple[float, int]]] = {}
    for y, row in lines.items():
        if _known(row["difference"]):
            x = max(-limit, min(limit, row["difference"]))
            together.setdefault((str(row["method"]), _shown(row)), []).append((x, y))
    for (method, shown), dots in together.items():
        mark = mark_of(method)
        axes.plot(
            *zip(*dots, strict=True),
            linestyle="none",
            marker=mark.marker,
            markersize=5.5,
            color=mark.colour,
            markerfacecolor=mark.colour if shown else PAPER,
        )


def _shown(row: Row) -> bool:
    return row["verdict"] in (BETTER, WORSE)


def _ends(row: Row) -> tuple[float, float]:
    return row["low"], row["high"]


def _limit(rows: Sequence[Row], unit: float) -> float:
    """How far to each side: all dots, and intervals unless they dwarf everything else."""
    dots = [abs(row["difference"]) for row in rows if _known(row["difference"])]
    ends = sorted(abs(row[end]) for row in rows for end in ("low", "high") if _known(row[end]))
    most = max(dots, default=0.0)
    # Three seeds can give an interval so wide that nothing else could be seen.
    usual = 2.5 * ends[len(ends) // 2] if ends else 0.0
    return 1.08 * max(most * 1.2, min(ends[-1] if ends else 0.0, usual), 0.001 * unit)


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(float(value))
