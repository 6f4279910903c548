"""Where student layers look in the teacher: the weights of ALP-KD as heat-maps for a page.

`reporting.heatmap` draws the same for one run as a picture file; here colours are shades of one
hue over the page's own background, so that the map reads in light and in dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.reporting.plots.canvas import (
    INK,
    MUTED,
    SMALL,
    cut,
    draw_shades,
    panel,
    row_labels,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.23
"""Inches of a student layer."""

ROOM = 2
"""Rows above a map, for its name."""

_QUIET: dict[str, Any] = {"fontsize": SMALL, "color": MUTED}


@dataclass(frozen=True, slots=True)
class Attention:
    """The attention of one method's students.

    Attributes:
        label: the method.
        weights: (m, n), each row sums to 1.
        shares: (m,) entropy over the largest possible one, None where one layer only is allowed.
    """

    label: str
    weights: np.ndarray
    shares: Sequence[float | None]


def attention_maps(maps: Sequence[Attention]) -> Figure:
    """Draw mean weights, one map below the other; zeros are dots, and the largest weight of each
    row is written out.

    Args:
        maps: of students of one depth under teachers of one depth.
    """
    layers, teacher_layers = maps[0].weights.shape
    sheet = np.zeros((len(maps) * (layers + ROOM), teacher_layers))
    with style():
        figure, axes = panel(ROW * (len(sheet) - 1), left=0.25, right=0.6, top=0.05, bottom=0.42)
        for place, found in enumerate(maps):
            top = place * (layers + ROOM) + ROOM
            sheet[top : top + layers] = found.weights / (found.weights.max() or 1.0)
            _describe(axes, found, top)
        draw_shades(axes, sheet)
        axes.set_ylim(len(sheet) - 0.5, 0.5)  # half of the room above the first map is enough
        across = {"ha": "center", "va": "top", **_QUIET}
        for k in range(0, teacher_layers, 1 + teacher_layers // 13):
            axes.text(k, len(sheet) - 0.35, str(k + 1), **across)
        axes.text((teacher_layers - 1) / 2, len(sheet) + 0.35, "teacher layer", **across)
        axes.set_axis_off()
    return figure


def _describe(axes: Axes, found: Attention, top: int) -> None:
    weights = found.weights
    layers, teacher_layers = weights.shape
    axes.text(-0.5, top - 0.95, cut(found.label, 30), va="center", fontsize=SMALL, color=INK)
    axes.text(teacher_layers - 0.35, top - 0.95, "entropy", va="center", **_QUIET)
    rows = range(top, top + layers)
    row_labels(axes, [str(j + 1) for j in range(layers)], rows, **_QUIET)
    for row, k, share in zip(rows, weights.argmax(axis=1), found.shares, strict=True):
        text = f"{weights[row - top, k]:.2f}".removeprefix("0")
        axes.text(k, row, text, ha="center", va="center", fontsize=SMALL - 1, color=INK)
        said = "–" if share is None else f"{share:.0%}"
        axes.text(teacher_layers - 0.35, row, said, va="center", fontsize=SMALL, color=INK)
    zeros = np.argwhere(weights == 0.0)
    axes.plot(zeros[:, 1], top + zeros[:, 0], ".", color=MUTED, markersize=1.6, alpha=0.6)
