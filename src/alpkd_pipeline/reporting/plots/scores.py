"""Pictures of scores: every seed as a dot, learning curves, and what depth buys.

A score goes from 0 to 1, or is an error, and is shown multiplied by `unit`, see `formats.scale`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.reporting.plots import canvas
from alpkd_pipeline.reporting.plots.canvas import INK, MUTED, RULE, SMALL, mark_of

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
    figure, axes = canvas.panel(STRIP * len(terms), left=0.62)
    for i, (term, curves) in enumerate(terms.items()):
        _strip(axes, term, curves, len(terms) - 1 - i)
    axes.set(ylim=(0, len(terms)), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.autoscale(axis="x")
    axes.set_xlim(left=0.0)
    _epochs(axes)
    return figure


def _strip(axes: Axes, term: str, curves: Sequence[Curve], floor: int) -> None:
    from matplotlib.collections import LineCollection

    values = [y for curve in curves for _, y in curve.mean]
    low, high = min(values), max(values)
    scale = FILLED / ((high - low) or 1.0)
    marks = [mark_of(curve.method) for curve in curves]
    paths = [[(x, floor + scale * (y - low)) for x, y in curve.mean] for curve in curves]
    colours, styles = [mark.colour for mark in marks], [mark.line for mark in marks]
    lines = LineCollection(paths, colors=colours, linestyles=styles, linewidths=1.3)
    axes.add_collection(lines)
    ends = [floor, floor + scale * (high - low)]
    across = axes.get_yaxis_transform()
    axes.hlines(ends, 0, 1, RULE, linewidth=0.7, transform=across, zorder=0)
    canvas.row_labels(axes, [f"{low:.3g}", f"{high:.3g}"], ends, fontsize=SMALL, color=MUTED)
    name: Any = {"ha": "right", "va": "bottom", "fontsize": SMALL, "color": INK}
    axes.text(1.0, floor + FILLED + 0.03, term, transform=across, **name)


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", nbins=5, integer=True)
