"""Where students' layers lie among their teacher's, as the paper's authors look at [CLS] states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.reporting.plots.canvas import (
    INK,
    MUTED,
    SMALL,
    cut,
    draw_shades,
    mark_of,
    panel,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Geometry = Mapping[str, Any]
"""What a geometry.json says."""

ACROSS = 2
"""Maps of distances beside one another."""

ROOM = 4
"""Rows between two maps, for titles and numbers."""

FEW = 2
"""So many students can be shown with their single examples."""


def layer_plane(students: Sequence[tuple[str, Geometry]]) -> Figure:
    """Draw the layers' mean states in the plane of the teacher's two largest components.

    Args:
        students: method and geometry, of one task, depth and teacher, each with `pca`.
    """
    first = students[0][1]["pca"]
    with style():
        figure, axes = panel(2.5, left=0.3, bottom=0.3)
        for method, found in students:
            mark = mark_of(method)
            if len(students) <= FEW:
                _points(axes, found["pca"]["student"], mark.colour)
            _path(axes, found["pca"]["student_means"], mark.colour, mark.marker, mark.line)
        if len(students) <= FEW:
            _points(axes, first["teacher"], MUTED)
        _path(axes, first["teacher_means"], INK, "*", "-")
        axes.set_xlabel(f"component 1 ({first['explained'][0]:.0%})", fontsize=SMALL)
        axes.set_ylabel(f"component 2 ({first['explained'][1]:.0%})", fontsize=SMALL)
        # Where zero is and how long a unit is means nothing here.
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def _points(axes: Axes, layers: Any, colour: str) -> None:
    flat = np.asarray(layers, dtype=np.float64).reshape(-1, 2)
    axes.plot(*flat.T, ".", color=colour, markersize=2.5, alpha=0.25, markeredgewidth=0)


def _path(axes: Axes, means: Any, colour: str, marker: str, line: str) -> None:
    xy = np.asarray(means, dtype=np.float64)
    axes.plot(*xy.T, color=colour, marker=marker, linestyle=line, linewidth=0.9, markersize=5)
    for layer in {0, len(xy) - 1}:
        # A space is as good as an offset, and text is drawn faster than annotations.
        axes.text(
            xy[layer, 0], xy[layer, 1], f" {layer + 1}", va="bottom", fontsize=SMALL, color=colour
        )


def layer_distances(students: Sequence[tuple[str, Geometry]]) -> Figure:
    """Draw each student's cosine distances to the teacher's layers; a dot marks the nearest.

    Args:
        students: label and geometry, of one task and depth, each with `cosine_distance`.
    """
    tables = [np.asarray(found["cosine_distance"], dtype=np.float64) for _, found in students]
    layers, teacher_layers = tables[0].shape
    lines = math.ceil(len(students) / ACROSS)
    places = [divmod(i, ACROSS) for i in range(len(students))]
    corners = [(row * (layers + ROOM), column * (teacher_layers + 2)) for row, column in places]
    # The nearer, the stronger: nearness is what is looked for. Nothing between the maps.
    sheet = np.zeros((lines * (layers + ROOM) - ROOM + 1, ACROSS * (teacher_layers + 2) - 2))
    with style():
        figure, axes = panel(0.15 * len(sheet), left=0.25, top=0.25, bottom=0.05)
        for (label, _), table, (top, left) in zip(students, tables, corners, strict=True):
            sheet[top : top + layers, left : left + teacher_layers] = 1.0 - table
            _describe(axes, cut(label), table, top, left)
        draw_shades(axes, sheet)
        axes.set_axis_off()
    return figure


def _describe(axes: Axes, label: str, table: np.ndarray, top: int, left: int) -> None:
    layers, teacher_layers = table.shape
    rows = top + np.arange(layers)
    axes.plot(left + table.argmin(axis=1), rows, "o", color=INK, markersize=2.6)
    axes.text(left - 0.5, top - 0.8, label, va="bottom", fontsize=SMALL)
    for layer in sorted({1, layers}):
        y = top + layer - 1
        axes.text(left - 0.8, y, str(layer), ha="right", va="center", fontsize=7, color=MUTED)
    for layer in sorted({1, teacher_layers}):
        x = left + layer - 1
        axes.text(x, top + layers - 0.3, str(layer), ha="center", va="top", fontsize=7, color=MUTED)
