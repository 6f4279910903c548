"""A matrix as shades of one hue, from the page's background to full colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE = (0.16, 0.47, 0.78)
"""Between black and white in lightness: text of either colour reads on it."""

FULL = 0.85
"""How much of the background the strongest shade covers."""


def draw_shades(axes: Axes, values: np.ndarray) -> None:
    """Draw a matrix, row 1 on top.

    Args:
        axes: where.
        values: (rows, columns) from 0 to 1.
    """
    pixels = np.empty((*values.shape, 4))
    pixels[..., :3] = BLUE
    pixels[..., 3] = FULL * np.clip(values, 0.0, 1.0)
    axes.imshow(pixels, aspect="auto", interpolation="none")
