"""What a picture says: the texts of an SVG, and its marks by the page's colour."""

from __future__ import annotations

import re
from typing import Any

from alpkd_pipeline.reporting.plots.canvas import svg


def drawn(figure: Any, name: str = "x") -> str:
    """The picture as a page gets it."""
    return svg(figure, name, "a label")


def texts(picture: str) -> list[str]:
    """All words of a picture in their order."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def uses(picture: str, hue: str) -> int:
    """How many markers of a colour there are."""
    return len(re.findall(rf"<use [^>]*--hue-{hue}\)", picture))


def dashed(picture: str) -> int:
    """How many dashed lines there are."""
    return picture.count("stroke-dasharray")
