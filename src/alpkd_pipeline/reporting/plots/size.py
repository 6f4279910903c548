"""What depth buys: the score of every method against the size or the speed of its students."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.plots.canvas import INK, MUTED, SMALL, mark_of, panel, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Trade:
    """One method: what its students cost and what they score, the cheapest first.

    Attributes:
        method: its name.
        cost: of each depth, in the unit of the axis.
        score: the mean score of each depth, 0 to 1, or the mean error.
    """

    method: str
    cost: Sequence[float]
    score: Sequence[float]


def score_against(
    trades: Sequence[Trade],
    axis: str,
    teacher: tuple[float, float] | None = None,
    unit: float = 100.0,
) -> Figure:
    """Draw scores against costs; the depths of a method are joined by a line.

    Args:
        trades: the methods.
        axis: what the cost is, with its unit.
        teacher: its cost and score, where both are known.
        unit: what scores are multiplied by, of `numbers.scale`.
    """
    with style():
        figure, axes = panel(1.9)
        for trade in trades:
            mark = mark_of(trade.method)
            axes.plot(
                trade.cost,
                [unit * score for score in trade.score],
                color=mark.colour,
                linestyle=mark.line,
                linewidth=1.0,
                marker=mark.marker,
                markersize=5.5,
                markeredgewidth=0,
            )
        if teacher is not None:
            cost, score = teacher[0], unit * teacher[1]
            axes.plot([cost], [score], marker="*", markersize=10, color=INK, linestyle="none")
            axes.annotate(
                "teacher",
                (cost, score),
                xytext=(-7, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=SMALL,
                color=MUTED,
            )
        axes.grid(True)
        axes.margins(x=0.08, y=0.12)
        axes.set_xlim(left=0.0)
        axes.set_xlabel(axis, fontsize=SMALL)
        axes.locator_params(nbins=4)
    return figure
