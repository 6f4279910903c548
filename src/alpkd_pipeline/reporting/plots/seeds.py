"""Every seed as a dot, for one task and depth: what a mean and a bar would hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.plots.canvas import (
    INK,
    MUTED,
    SMALL,
    cut,
    label_width,
    mark_of,
    panel,
    row_labels,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.22
"""Inches of a method."""


def seed_dots(
    arms: Sequence[Mapping[Any, Any]], teachers: Sequence[float] = (), unit: float = 100.0
) -> Figure:
    """Draw the methods of one task and depth as rows of dots, their means as short lines.

    Args:
        arms: of `arms`, as dictionaries: `label`, `method`, `mean`, `per_seed` (seed -> score).
        teachers: the scores of the teachers; their mean is a dashed line.
        unit: what scores are multiplied by, of `numbers.scale`.
    """
    labels = [cut(str(arm["label"])) for arm in arms]
    with style():
        figure, axes = panel(ROW * max(len(arms), 1) + 0.1, left=label_width(labels), top=0.2)
        for y, arm in enumerate(arms):
            mark = mark_of(str(arm["method"]))
            values = [unit * value for value in arm["per_seed"].values()]
            axes.plot(
                values,
                [y] * len(values),
                linestyle="none",
                marker=mark.marker,
                markersize=5.5,
                color=mark.colour,
                alpha=0.75,
                markeredgewidth=0,
            )
        means = [unit * float(arm["mean"]) for arm in arms]
        rows = range(len(arms))
        axes.vlines(means, [y - 0.36 for y in rows], [y + 0.36 for y in rows], INK, linewidth=1.4)
        if teachers:
            _teacher(axes, unit * sum(teachers) / len(teachers))
        axes.set_ylim(len(arms) - 0.4, -0.6)
        row_labels(axes, labels, range(len(arms)))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.xaxis.grid(True)
        axes.margins(x=0.06)
        axes.locator_params(axis="x", nbins=4)
    return figure


def _teacher(axes: Axes, score: float) -> None:
    axes.axvline(score, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.annotate(
        "teacher",
        (score, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        fontsize=SMALL,
        color=MUTED,
        annotation_clip=False,
    )
