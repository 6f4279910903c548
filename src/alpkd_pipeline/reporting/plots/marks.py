"""One colour, marker and line for each method, the same in every picture and on every page.

The colours are Okabe and Ito's, which people with any colour vision can tell apart, darkened a
little on white paper and lightened on black. Relatives share a colour and differ in marker and
line. In figures colours are placeholders: `canvas.svg` turns them into variables of the page's
style sheet, which has them for light and for dark.
"""

from __future__ import annotations

from dataclasses import dataclass

INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
"""Text and lines that matter, text and lines that do not, grid lines, the background."""

HUES = ("grey", "blue", "orange", "green", "red", "purple", "sky", "olive")
"""The page's colours for methods."""

PLACEHOLDERS = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    **{f"#1000{i:02d}": f"hue-{name}" for i, name in enumerate(HUES)},
}
"""Colour in a figure -> the name of the page's variable, without its dashes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a method is drawn.

    Attributes:
        hue: one of `HUES`.
        marker: matplotlib's name of the marker.
        line: matplotlib's name of the line.
    """

    hue: str
    marker: str
    line: str = "-"

    @property
    def colour(self) -> str:
        """The placeholder for a figure."""
        return f"#1000{HUES.index(self.hue):02d}"


_MARKS = {
    "no_kd": Mark("grey", "o"),
    "kd": Mark("blue", "s"),
    "pkd": Mark("orange", "^"),
    "ckd": Mark("green", "D"),
    "ckd_no": Mark("green", "v", "--"),
    "ckd_po": Mark("green", "P", ":"),
    "alp_kd": Mark("red", "o"),
    "alp_no": Mark("red", "v", "--"),
    "alp_po": Mark("red", "P", ":"),
    "rail_kd": Mark("sky", "o"),
    "minilmv2": Mark("sky", "s", "--"),
    "tinybert": Mark("sky", "^", ":"),
    "uniform": Mark("purple", "s"),
    "random_layer": Mark("purple", "^", "--"),
    "last_layer": Mark("purple", "D", ":"),
    "reversed": Mark("purple", "v", "-."),
}
_OTHER = Mark("olive", "h", "-.")

SHAPES = {
    "o": "M6 2.2a3.8 3.8 0 1 0 .01 0z",
    "s": "M2.6 2.6h6.8v6.8h-6.8z",
    "^": "M6 1.8 10.2 9.6H1.8z",
    "v": "M6 10.2 1.8 2.4h8.4z",
    "D": "M6 1.2 10.8 6 6 10.8 1.2 6z",
    "h": "M6 1.4 10 3.7V8.3L6 10.6 2 8.3V3.7z",
    "P": "M4.4 1.6h3.2v2.8h2.8v3.2H7.6v2.8H4.4V7.6H1.6V4.4h2.8z",
}
"""The markers as SVG paths in a box of 12 by 12, for legends outside figures."""


def mark_of(method: str) -> Mark:
    """The mark of a method; methods of others share one."""
    return _MARKS.get(method, _OTHER)
