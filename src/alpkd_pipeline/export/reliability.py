"""How often a classifier is right against how sure it says it is, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpkd_pipeline.reporting.plots.canvas import BLUE, INK, MUTED, SMALL, panel, png, style

PICTURE = "reliability.png"

GREY = (0.6, 0.6, 0.6)
"""A picture of a file has no style sheet that would give the figures' placeholders a shade."""

AREA = 260.0
"""Of the dot of all rows, in square points."""


def reliability_picture(facts: Mapping[str, Any]) -> bytes:
    """A PNG file: of each bin the mean confidence and the share of right answers, before and after
    the temperature; the area of a dot is the share of the rows. On the diagonal both are equal.

    Args:
        facts: what `calibrate` says of a model: `bins`, `ece`.
    """
    error, bins = facts["ece"], facts["bins"]
    most = max(found["rows"] for both in bins.values() for found in both)
    least = min(found["confidence"] for both in bins.values() for found in both)
    start = max(0.0, least - 0.05)
    with style():
        figure, axes = panel(2.6, left=0.55, bottom=0.9)
        axes.plot([start, 1], [start, 1], color=GREY, linewidth=0.8, linestyle="--")
        looks: dict[str, dict[str, Any]] = {
            "before": {"facecolor": "none", "edgecolor": GREY, "linewidth": 1.1},
            "after": {"facecolor": BLUE, "edgecolor": BLUE, "alpha": 0.75, "linewidth": 0},
        }
        for name, look in looks.items():
            axes.scatter(
                [found["confidence"] for found in bins[name]],
                [found["accuracy"] for found in bins[name]],
                s=[6 + AREA * found["rows"] / most for found in bins[name]],
                label=f"{name}: ECE {100 * error[name]:.1f} %",
                clip_on=False,
                **look,
            )
        axes.set_xlim(start, 1.01)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("mean probability of the answer", color=INK)
        axes.set_ylabel("share of right answers", color=INK)
        marks = axes.legend(loc="best", frameon=False, fontsize=SMALL)
        for handle in marks.legend_handles:
            handle.set_sizes([28])  # type: ignore[union-attr]
        told = (
            "By chance alone a perfectly calibrated model shows, in 95 %\nof draws, an ECE of up to"
            f" {100 * error['calibrated_95']:.1f} % on these {facts['rows']:,} rows."
        )
        figure.text(0.02, 0.02, told, fontsize=SMALL - 1, color=MUTED, va="bottom")
        return png(figure)
