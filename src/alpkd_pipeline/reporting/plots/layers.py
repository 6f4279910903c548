"""Where student layers look in the teacher, and where they lie among its layers.

The weights of ALP-KD are heat-maps; states are drawn as the paper's authors look at them. Shades of
one hue over the background read in light, in dark, without colour vision and in grey print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.plots import canvas
from alpkd_pipeline.reporting.plots.canvas import INK, MUTED, SMALL, cut, mark_of
from alpkd_pipeline.store.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.23  # inches of a student layer
ROOM = 2  # rows above a map, for its name
_QUIET: dict[str, Any] = {"fontsize": SMALL, "color": MUTED}


@dataclass(frozen=True, slots=True)
class Attention:
    """The attention of one method's students."""

    label: str  # the method
    weights: np.ndarray  # (m, n), each row sums to 1
    # (m,) entropy over the largest possible one, None where one layer only is allowed
    shares: Sequence[float | None]


def mean_attention(label: str, students: Sequence[Mapping[str, Any]]) -> Attention:
    """The mean over students of one method, of `attention` in each one's metrics.json.

    That is `weights` (m, n) over a dev set, `entropy` (m,) in nats, and `max_entropy` (m,),
    ln|A(j)|: 0 where a layer may draw on one layer only. UserError if the shapes do not belong
    together, or a value is not a number.
    """
    weights, entropy, most = (
        np.mean([np.asarray(attention[name], dtype=np.float64) for attention in students], axis=0)
        for name in ("weights", "entropy", "max_entropy")
    )
    fit = entropy.shape == most.shape == weights.shape[:1]
    if weights.ndim != 2 or not weights.size or not fit:
        raise UserError(
            f"attention weights of shape {weights.shape} need one entropy and one largest entropy"
            f" for each row, but these have the shapes {entropy.shape} and {most.shape}"
        )
    if not all(np.isfinite(values).all() for values in (weights, entropy, most)):
        raise UserError("the attention weights hold NaN or infinity: there is nothing to draw")
    shares = [float(e / m) if m > 0 else None for e, m in zip(entropy, most, strict=True)]
    return Attention(label, weights, shares)


def run_pictures(folder: Path) -> dict[str, bytes]:
    """PNG files of a training by name: the map of a student that has attention, or nothing."""
    run = RunFolder(folder)
    if (attention := run.metrics.get("attention")) is None:
        return {}
    mean = mean_attention(str(run.run["name"]), [attention])
    with canvas.style():
        return {"attention.png": canvas.png(attention_maps([mean]))}


def attention_maps(maps: Sequence[Attention]) -> Figure:
    """Draw mean weights, one map below the other; zeros are dots, and the largest weight of each
    row is written out. All are of students of one depth under teachers of one depth."""
    layers, teacher_layers = maps[0].weights.shape
    sheet = np.zeros((len(maps) * (layers + ROOM), teacher_layers))
    figure, axes = canvas.panel(ROW * (len(sheet) - 1), left=0.25, right=0.6, top=0.05, bottom=0.42)
    for i, one in enumerate(maps):
        top = i * (layers + ROOM) + ROOM
        sheet[top : top + layers] = one.weights / (one.weights.max() or 1.0)
        _describe(axes, one, top)
    canvas.draw_shades(axes, sheet)
    axes.set_ylim(len(sheet) - 0.5, 0.5)  # half of the room above the first map is enough
    across = {"ha": "center", "va": "top", **_QUIET}
    for k in range(0, teacher_layers, 1 + teacher_layers // 13):
        axes.text(k, len(sheet) - 0.35, str(k + 1), **across)
    axes.text((teacher_layers - 1) / 2, len(sheet) + 0.35, "teacher layer", **across)
    axes.set_axis_off()
    return figure


def _describe(axes: Axes, attention: Attention, top: int) -> None:
    weights = attention.weights
    layers, teacher_layers = weights.shape
    axes.text(-0.5, top - 0.95, cut(attention.label, 30), va="center", fontsize=SMALL, color=INK)
    axes.text(teacher_layers - 0.35, top - 0.95, "entropy", va="center", **_QUIET)
    rows = range(top, top + layers)
    canvas.row_labels(axes, [str(j + 1) for j in range(layers)], rows, **_QUIET)
    for row, k, share in zip(rows, weights.argmax(axis=1), attention.shares, strict=True):
        weight, entropy = weights[row - top, k], "–" if share is None else f"{share:.0%}"
        text = f"{weight:.2f}".removeprefix("0")
        axes.text(k, row, text, ha="center", va="center", fontsize=SMALL - 1, color=INK)
        axes.text(teacher_layers - 0.35, row, entropy, va="center", fontsize=SMALL, color=INK)
    zeros = np.argwhere(weights == 0.0)
    axes.plot(zeros[:, 1], top + zeros[:, 0], ".", color=MUTED, markersize=1.6, alpha=0.6)


Geometry = Mapping[str, Any]  # what a geometry.json says

ACROSS = 2  # maps of distances beside one another
BETWEEN = 4  # rows between two maps, for titles and numbers
FEW = 2  # so many students can be shown with their single examples


def layer_plane(students: Sequence[tuple[str, Geometry]]) -> Figure:
    """Draw the layers' mean states in the plane of the teacher's two largest components, of each
    student by the name of its mark; all have one task, depth and teacher, and `pca`."""
    first = students[0][1]["pca"]
    figure, axes = canvas.panel(2.5, left=0.3, bottom=0.3)
    for method, geometry in students:
        mark = mark_of(method)
        if len(students) <= FEW:
            _points(axes, geometry["pca"]["student"], mark.colour)
        _path(axes, geometry["pca"]["student_means"], mark.colour, mark.marker, mark.line)
    if len(students) <= FEW:
        _points(axes, first["teacher"], MUTED)
    _path(axes, first["teacher_means"], INK, "*", "-")
    axes.set_xlabel(f"component 1 ({first['explained'][0]:.0%})")
    axes.set_ylabel(f"component 2 ({first['explained'][1]:.0%})")
    axes.set(xticks=[], yticks=[])  # where zero is and how long a unit is means nothing here
    return figure


def _points(axes: Axes, layers: Any, colour: str) -> None:
    flat = np.asarray(layers, dtype=np.float64).reshape(-1, 2)
    axes.plot(*flat.T, ".", color=colour, markersize=2.5, alpha=0.25, markeredgewidth=0)


def _path(axes: Axes, means: Any, colour: str, marker: str, line: str) -> None:
    xy = np.asarray(means, dtype=np.float64)
    axes.plot(*xy.T, color=colour, marker=marker, linestyle=line, linewidth=0.9, markersize=5)
    for layer in {0, len(xy) - 1}:
        # A space is as good as an offset, and text is drawn faster than annotations.
        x, y = xy[layer]
        axes.text(x, y, f" {layer + 1}", va="bottom", fontsize=SMALL, color=colour)


def layer_distances(students: Sequence[tuple[str, Geometry]]) -> Figure:
    """Draw each student's cosine distances to the teacher's layers, below its label; a dot marks
    the nearest. All students have one task and depth, and `cosine_distance`."""
    tables = [np.asarray(one["cosine_distance"], dtype=np.float64) for _, one in students]
    layers, teacher_layers = tables[0].shape
    lines = math.ceil(len(students) / ACROSS)
    # The nearer, the stronger: nearness is what is looked for. Nothing between the maps.
    sheet = np.zeros((lines * (layers + BETWEEN) - BETWEEN + 1, ACROSS * (teacher_layers + 2) - 2))
    figure, axes = canvas.panel(0.15 * len(sheet), left=0.25, top=0.25, bottom=0.05)
    small: dict[str, Any] = {"fontsize": 7, "color": MUTED}
    for i, ((label, _), table) in enumerate(zip(students, tables, strict=True)):
        top, left = i // ACROSS * (layers + BETWEEN), i % ACROSS * (teacher_layers + 2)
        sheet[top : top + layers, left : left + teacher_layers] = 1.0 - table
        axes.plot(
            left + table.argmin(axis=1), top + np.arange(layers), "o", color=INK, markersize=2.6
        )
        axes.text(left - 0.5, top - 0.8, cut(label), va="bottom", fontsize=SMALL)
        for n in sorted({1, layers}):
            axes.text(left - 0.8, top + n - 1, str(n), ha="right", va="center", **small)
        for n in sorted({1, teacher_layers}):
            axes.text(left + n - 1, top + layers - 0.3, str(n), ha="center", va="top", **small)
    canvas.draw_shades(axes, sheet)
    axes.set_axis_off()
    return figure
