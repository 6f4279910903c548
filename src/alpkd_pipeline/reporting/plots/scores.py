"""Pictures of scores: every seed as a dot, learning curves, what depth buys, and differences to the
baselines with their intervals.

A score goes from 0 to 1, or is an error, and is shown multiplied by `unit`, see `formats.scale`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.reporting.formats import scale
from alpkd_pipeline.reporting.plots import canvas
from alpkd_pipeline.reporting.plots.canvas import INK, MUTED, PAPER, RULE, SMALL, mark_of
from alpkd_pipeline.reporting.statistics import words
from alpkd_pipeline.reporting.statistics.arms import Row
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.22  # inches of a method

_DASHED: Any = {"color": MUTED, "linewidth": 1.0, "linestyle": (0, (4, 3))}
_BESIDE: Any = {"textcoords": "offset points", "fontsize": SMALL, "color": MUTED}


def seed_dots(
    arms: Sequence[Mapping[Any, Any]], teachers: Sequence[float] = (), unit: float = 100.0
) -> Figure:
    """Draw the arms of one task and depth as rows of dots, their means as short lines, the mean of
    the teachers' scores as a dashed one."""
    labels = {y: str(arm["label"]) for y, arm in enumerate(arms)}
    figure, axes = canvas.row_panel(labels, len(arms), ROW * len(arms) + 0.1, top=0.2)
    for y, arm in enumerate(arms):
        mark = mark_of(str(arm["method"]))
        values = [unit * value for value in arm["per_seed"].values()]
        axes.plot(values, [y] * len(values), **mark.dots, alpha=0.75, markeredgewidth=0)
    means, rows = [unit * float(arm["mean"]) for arm in arms], np.arange(len(arms))
    axes.vlines(means, rows - 0.36, rows + 0.36, INK, linewidth=1.4)
    if teachers:
        score, axis = unit * sum(teachers) / len(teachers), ("data", "axes fraction")
        axes.axvline(score, **_DASHED)
        axes.annotate("teacher", (score, 1), (0, 2), axis, ha="center", **_BESIDE)
    axes.margins(x=0.06)
    return figure


Line = Sequence[tuple[float, float]]
"""Points (epoch, value), in the order of the epochs, or (cost, score), the cheapest first."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The line of a configuration over its seeds, and the line of each seed."""

    method: str  # the name of its mark, for `mark_of`
    mean: Line
    seeds: Sequence[Line] = ()


def score_against(
    trades: Sequence[Curve],
    axis: str,
    teacher: tuple[float, float] | None = None,
    unit: float = 100.0,
) -> Figure:
    """Draw scores against costs, which the axis names, with their unit; the points of a method, its
    depths, are joined by a line. The teacher's cost and score may not be known."""
    figure, axes = canvas.panel(1.9)
    for trade in trades:
        mark = mark_of(trade.method)
        how = {**mark.dots, "linestyle": mark.line}
        axes.plot(*_scaled(trade.mean, unit), **how, linewidth=1.0, markeredgewidth=0)
    if teacher is not None:
        cost, score = teacher[0], unit * teacher[1]
        axes.plot([cost], [score], marker="*", markersize=10, color=INK, linestyle="none")
        axes.annotate("teacher", (cost, score), (-7, 0), ha="right", va="center", **_BESIDE)
    axes.grid(True)
    axes.margins(x=0.08, y=0.12)
    axes.set_xlim(left=0.0)
    axes.set_xlabel(axis)
    axes.locator_params(nbins=4)
    return figure


def _scaled(line: Line, unit: float) -> tuple[list[float], list[float]]:
    return [x for x, _ in line], [unit * y for _, y in line]


MANY = 25  # from this many evaluations on a line carries no markers
STRIP = 0.8  # inches of a term of the loss
FILLED = 0.72  # the share of a strip that its lines take; its name has the rest


def score_curves(
    curves: Sequence[Curve], teachers: Sequence[float] = (), unit: float = 100.0
) -> Figure:
    """Draw the scores at every evaluation: means as lines, seeds as faint ones, the mean of the
    teachers' final scores as a dashed one."""
    from matplotlib.collections import LineCollection

    figure, axes = canvas.panel(1.9)
    faint = [(curve.method, line) for curve in curves for line in curve.seeds if len(line) > 1]
    if faint:
        paths = [[(x, unit * y) for x, y in line] for _, line in faint]
        colours = [mark_of(method).colour for method, _ in faint]
        axes.add_collection(LineCollection(paths, colors=colours, linewidths=0.6, alpha=0.35))
    for curve in curves:
        mark = mark_of(curve.method)
        how = {**mark.dots, "linestyle": mark.line, "markersize": 4.6}
        how |= {"marker": None} if len(curve.mean) >= MANY else {}
        axes.plot(*_scaled(curve.mean, unit), **how, linewidth=1.5)
    if teachers:
        axes.axhline(unit * sum(teachers) / len(teachers), **_DASHED)
    axes.yaxis.grid(True)
    axes.locator_params(axis="y", nbins=4)
    _epochs(axes)
    return figure


def loss_curves(terms: Mapping[str, Sequence[Curve]]) -> Figure:
    """Draw each term of the training loss in a strip of its own, from its least to its largest: at
    least one line of its values before any weight."""
    from matplotlib.collections import LineCollection

    figure, axes = canvas.panel(STRIP * len(terms), left=0.62)
    across = axes.get_yaxis_transform()
    name: Any = {"ha": "right", "va": "bottom", "fontsize": SMALL, "color": INK}
    for floor, (term, curves) in zip(reversed(range(len(terms))), terms.items(), strict=True):
        values = [y for curve in curves for _, y in curve.mean]
        low, high = min(values), max(values)
        height = FILLED / ((high - low) or 1.0)
        marks = [mark_of(curve.method) for curve in curves]
        paths = [[(x, floor + height * (y - low)) for x, y in curve.mean] for curve in curves]
        colours, styles = [mark.colour for mark in marks], [mark.line for mark in marks]
        lines = LineCollection(paths, colors=colours, linestyles=styles, linewidths=1.3)
        axes.add_collection(lines)
        ends = [floor, floor + height * (high - low)]
        axes.hlines(ends, 0, 1, RULE, linewidth=0.7, transform=across, zorder=0)
        canvas.row_labels(axes, [f"{low:.3g}", f"{high:.3g}"], ends, fontsize=SMALL, color=MUTED)
        axes.text(1.0, floor + FILLED + 0.03, term, transform=across, **name)
    axes.set(ylim=(0, len(terms)), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.autoscale(axis="x")
    axes.set_xlim(left=0.0)
    _epochs(axes)
    return figure


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", nbins=5, integer=True)


PAIR = 0.185  # inches of a comparison

# Short words beside the intervals, with a star for less than the margin; nothing can be said: a
# question mark.
SHORT = {
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
    rows = [
        {**row, **{n: unit * float(row[n]) for n in scores if _is_number(row[n])}} for row in rows
    ]
    lines, headings = dict[int, Row](), dict[int, str]()
    for baseline in dict.fromkeys(str(row["baseline_label"]) for row in rows):
        headings[len(lines) + len(headings)] = baseline
        for row in rows:
            if row["baseline_label"] == baseline:
                lines[len(lines) + len(headings)] = row
    count, limit = len(lines) + len(headings), _limit(rows, unit)
    labels = {y: str(row["label"]) for y, row in lines.items()}
    figure, axes = canvas.row_panel(labels, count, PAIR * count, right=0.5)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set_xlim(-limit, limit)
    for y, baseline in headings.items():
        axes.text(-limit, y, f"against {baseline}", va="center", color=MUTED, fontsize=SMALL)
    across = axes.get_yaxis_transform()
    for y, row in lines.items():
        word = SHORT.get(str(row["kind"]), "?")
        bold: Any = (
            {"color": INK, "fontweight": "bold"} if _distinguished(row) else {"color": MUTED}
        )
        axes.text(1.02, y, word, transform=across, va="center", fontsize=SMALL, **bold)
    _intervals(axes, lines, limit)
    _dots(axes, lines, limit)
    axes.set_xlabel(f"difference in {metric if is_error(metric) else 'points'}")
    return figure


def _intervals(axes: Axes, lines: Mapping[int, Row], limit: float) -> None:
    from matplotlib.collections import LineCollection

    bounded = {y: row for y, row in lines.items() if _is_number(row["low"])}
    colours = [mark_of(str(row["method"])).colour for row in bounded.values()]
    ends = {y: (max(row["low"], -limit), min(row["high"], limit)) for y, row in bounded.items()}
    spans = [[(low, y), (high, y)] for y, (low, high) in ends.items()]
    widths = [1.8 if _distinguished(row) else 1.1 for row in bounded.values()]
    axes.add_collection(LineCollection(spans, colors=colours, linewidths=widths), autolim=False)
    for (y, row), colour in zip(bounded.items(), colours, strict=True):
        if row["low"] < -limit:
            axes.plot([-limit], [y], "<", color=colour, markersize=4, clip_on=False)
        if row["high"] > limit:
            axes.plot([limit], [y], ">", color=colour, markersize=4, clip_on=False)


def _dots(axes: Axes, lines: Mapping[int, Row], limit: float) -> None:
    together: dict[tuple[str, bool], list[tuple[float, int]]] = {}
    for y, row in lines.items():
        if _is_number(row["difference"]):
            x = max(-limit, min(limit, row["difference"]))
            together.setdefault((str(row["method"]), _distinguished(row)), []).append((x, y))
    for (method, shown), dots in together.items():
        mark = mark_of(method)
        face = mark.colour if shown else PAPER
        axes.plot(*zip(*dots, strict=True), **mark.dots, markerfacecolor=face)


def _distinguished(row: Row) -> bool:
    return row["kind"] in SHORT and row["kind"] != words.NOT_DISTINGUISHABLE


def _limit(rows: Sequence[Row], unit: float) -> float:
    """How far to each side: all dots, and intervals unless they dwarf everything else."""
    dots = (abs(row["difference"]) for row in rows if _is_number(row["difference"]))
    ends = sorted(abs(row[end]) for row in rows for end in ("low", "high") if _is_number(row[end]))
    # Three seeds can give an interval so wide that nothing else could be seen.
    usual = 2.5 * ends[len(ends) // 2] if ends else 0.0
    return 1.08 * max(
        max(dots, default=0.0) * 1.2, min(ends[-1] if ends else 0.0, usual), 0.001 * unit
    )


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(float(value))
