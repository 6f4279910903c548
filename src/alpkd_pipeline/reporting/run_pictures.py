"""The pictures of one training, made from its metrics.json."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.finished import FinishedFolder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def run_pictures(folder: Path) -> dict[str, bytes]:
    """PNG files by name: the attention heat-map of a student that has attention, or nothing."""
    finished = FinishedFolder(folder)
    attention = finished.json("metrics.json").get("attention")
    if attention is None:
        return {}

    title = f"{finished.json('run.json')['name']}: attention of student over teacher layers"
    figure = attention_heatmap(
        attention["weights"], attention["entropy"], attention["max_entropy"], title
    )
    return {"attention.png": figure_png(figure)}


COLOURS = "cividis"
"""A colour map that reads the same with and without colour vision, and in grey print."""

MOST_NUMBERS = 16
"""With more teacher layers than this the numbers would touch each other."""


def attention_heatmap(
    weights: Sequence[Sequence[float]],
    entropy: Sequence[float],
    max_entropy: Sequence[float],
    title: str,
) -> Figure:
    """Draw the mean attention weights of m student layers over n teacher layers.

    A weight of exactly 0 is left grey: layers outside a student layer's bucket have it. Beside each
    row stands the entropy of its weights as a share of the largest possible one, ln|A(j)|: 0 % is a
    student layer that copies one teacher layer, 100 % is a plain average.

    Args:
        weights: m rows of n mean weights over a dev set; each row sums to 1.
        entropy: (m,) mean entropy per example in nats.
        max_entropy: (m,) ln|A(j)| in nats; 0 where a layer may draw on one layer only.
        title: said above the picture.

    Returns:
        A figure that belongs to no window and no pyplot state.

    Raises:
        UserError: the shapes do not belong together, or a value is not a number.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table, shares = _checked(weights, entropy, max_entropy)
    layers, teacher_layers = table.shape
    figure = Figure(
        figsize=(max(5.0, 0.58 * teacher_layers + 3.0), max(2.4, 0.46 * layers + 1.7)),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1, 2, width_ratios=[max(4.0, teacher_layers), 2.6])
    left = figure.add_subplot(grid[0])
    right = figure.add_subplot(grid[1], sharey=left)
    _draw_weights(figure, left, table)
    _draw_shares(right, shares)
    figure.suptitle(title, fontsize=11)
    return figure


def figure_png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes with the same libraries."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150, metadata={"Software": None})
    return out.getvalue()


def _checked(weights: Any, entropy: Any, max_entropy: Any) -> tuple[np.ndarray, np.ndarray]:
    """The weights (m, n) and the entropies as shares (m,), NaN where only one layer is allowed."""
    table = np.asarray(weights, dtype=np.float64)
    found, most = (np.asarray(v, dtype=np.float64) for v in (entropy, max_entropy))
    if table.ndim != 2 or not table.size or not found.shape == most.shape == table.shape[:1]:
        raise UserError(
            f"attention weights of shape {table.shape} need one entropy and one largest entropy for"
            f" each row, but these have the shapes {found.shape} and {most.shape}"
        )
    if not all(np.isfinite(values).all() for values in (table, found, most)):
        raise UserError("the attention weights hold NaN or infinity: there is nothing to draw")
    shares = np.full(found.shape, np.nan)
    np.divide(found, most, out=shares, where=most > 0)
    return table, shares


def _draw_weights(figure: Figure, axes: Axes, table: np.ndarray) -> None:
    import matplotlib

    layers, teacher_layers = table.shape
    colours = matplotlib.colormaps[COLOURS].with_extremes(bad="0.88")
    shown = np.ma.masked_equal(table, 0.0)
    image = axes.imshow(shown, cmap=colours, vmin=0.0, vmax=table.max() or 1.0, aspect="auto")
    axes.set_xticks(range(teacher_layers), [str(k + 1) for k in range(teacher_layers)])
    axes.set_yticks(range(layers), [str(j + 1) for j in range(layers)])
    axes.set_xlabel("teacher layer")
    axes.set_ylabel("student layer")
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, label="mean weight", pad=0.02)
    if teacher_layers <= MOST_NUMBERS:
        _write_numbers(axes, table)


def _write_numbers(axes: Axes, table: np.ndarray) -> None:
    middle = table.max() / 2
    for j, k in zip(*np.nonzero(table), strict=True):
        axes.text(
            k,
            j,
            f"{table[j, k]:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="black" if table[j, k] > middle else "white",
        )


def _draw_shares(axes: Axes, shares: np.ndarray) -> None:
    rows = np.arange(len(shares))
    axes.barh(rows, np.nan_to_num(shares), height=0.62, color="0.65")
    for row, share in enumerate(shares):
        text = "one layer" if np.isnan(share) else f"{share:.0%}"
        axes.text(0.04, row, text, va="center", fontsize=8, color="black")
    axes.set_xlim(0.0, 1.0)
    axes.set_xticks([0.0, 0.5, 1.0], ["0", "0.5", "1"])
    axes.set_xlabel("entropy / ln|A(j)|")
    axes.tick_params(axis="y", length=0, labelleft=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
