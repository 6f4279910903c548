"""How scores and losses moved while the students of one task and depth were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.plots.canvas import (
    INK,
    MUTED,
    RULE,
    SMALL,
    mark_of,
    panel,
    row_labels,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = Sequence[tuple[float, float]]
"""Points (epoch, value), in the order of the epochs."""

MANY = 25
"""From this many evaluations on a line carries no markers."""

STRIP = 0.8
"""Inches of a term of the loss."""

FILLED = 0.72
"""The share of a strip that its lines take; its name has the rest."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One method's line.

    Attributes:
        method: its name.
        mean: over the seeds.
        seeds: one line for each seed.
    """

    method: str
    mean: Line
    seeds: Sequence[Line] = field(default=())


def score_curves(
    curves: Sequence[Curve], teachers: Sequence[float] = (), unit: float = 100.0
) -> Figure:
    """Draw the scores at every evaluation: means as lines, seeds as faint ones.

    Args:
        curves: scores from 0 to 1, or errors.
        teachers: the final scores of the teachers; their mean is a dashed line.
        unit: what scores are multiplied by, of `numbers.scale`.
    """
    with style():
        figure, axes = panel(1.9)
        _faint(axes, curves, unit)
        for curve in curves:
            mark = mark_of(curve.method)
            axes.plot(
                [x for x, _ in curve.mean],
                [unit * y for _, y in curve.mean],
                color=mark.colour,
                linestyle=mark.line,
                linewidth=1.5,
                marker=mark.marker if len(curve.mean) < MANY else None,
                markersize=4.6,
            )
        if teachers:
            mean = unit * sum(teachers) / len(teachers)
            axes.axhline(mean, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.yaxis.grid(True)
        axes.locator_params(axis="y", nbins=4)
        _epochs(axes)
    return figure


def _faint(axes: Axes, curves: Sequence[Curve], unit: float) -> None:
    from matplotlib.collections import LineCollection

    lines = [(c.method, line) for c in curves for line in c.seeds if len(line) > 1]
    if lines:
        paths = [[(x, unit * y) for x, y in line] for _, line in lines]
        colours = [mark_of(method).colour for method, _ in lines]
        axes.add_collection(
            LineCollection(paths, colors=colours, linewidths=0.6, alpha=0.35), autolim=True
        )


def loss_curves(terms: Mapping[str, Sequence[Curve]]) -> Figure:
    """Draw each term of the training loss in a strip of its own, from its least to its largest.

    Args:
        terms: name of the term -> its lines, before any weight; not empty.
    """
    with style():
        figure, axes = panel(STRIP * len(terms), left=0.62)
        for place, (term, curves) in enumerate(terms.items()):
            _strip(axes, term, curves, len(terms) - 1 - place)
        axes.set_ylim(0, len(terms))
        axes.set_yticks([])
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
    axes.add_collection(
        LineCollection(
            [[(x, floor + scale * (y - low)) for x, y in curve.mean] for curve in curves],
            colors=[mark.colour for mark in marks],
            linestyles=[mark.line for mark in marks],
            linewidths=1.3,
        ),
        autolim=True,
    )
    ends = [floor, floor + scale * (high - low)]
    axes.hlines(ends, 0, 1, RULE, linewidth=0.7, transform=axes.get_yaxis_transform(), zorder=0)
    row_labels(axes, [f"{low:.3g}", f"{high:.3g}"], ends, fontsize=SMALL, color=MUTED)
    axes.text(
        1.0,
        floor + FILLED + 0.03,
        term,
        transform=axes.get_yaxis_transform(),
        ha="right",
        va="bottom",
        fontsize=SMALL,
        color=INK,
    )


def _epochs(axes: Axes) -> None:
    axes.set_xlabel("epoch", fontsize=SMALL)
    axes.locator_params(axis="x", nbins=5, integer=True)
