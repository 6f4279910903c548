"""Figures without pyplot, and their way into a page as inline SVG.

Text stays text and takes the page's font; colours are placeholders that become variables of the
page's style sheet, which has them for light and for dark; ids carry the figure's name, so that many
figures share one page. With the same matplotlib a figure gives the same text on every machine.

Each method has one colour, marker and line in every picture and on every page. The colours are
Okabe and Ito's, which people with any colour vision can tell apart, darkened a little on white
paper and lightened on black. Relatives share a colour and differ in marker and line.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.distillation.method_table import METHODS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Text and lines that matter, text and lines that do not, grid lines, the background.
INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
# The page's colours for methods.
HUES = ("grey", "blue", "orange", "green", "red", "purple", "sky", "olive")

# Colour in a figure -> the name of the page's variable, without its dashes.
PLACEHOLDERS = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"} | {
    f"#1000{i:02d}": f"hue-{name}" for i, name in enumerate(HUES)
}


@dataclass(frozen=True, slots=True)
class Mark:
    """How a method is drawn."""

    hue: str  # one of `HUES`
    marker: str  # matplotlib's name of the marker
    line: str = "-"  # matplotlib's name of the line

    @property
    def colour(self) -> str:
        """The placeholder for a figure."""
        return f"#1000{HUES.index(self.hue):02d}"

    @property
    def dots(self) -> dict[str, Any]:
        """How its points are drawn."""
        return {"color": self.colour, "marker": self.marker, "markersize": 5.5, "linestyle": "none"}


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
    "alp_kd_glmkd": Mark("red", "s", "-."),
    "alp_kd_sqrt": Mark("red", "^", "-."),
    "rail_kd": Mark("sky", "o"),
    "minilmv2": Mark("sky", "s", "--"),
    "tinybert": Mark("sky", "^", ":"),
    "universal_kd": Mark("sky", "D", "-."),
    "uniform": Mark("purple", "s"),
    "random_layer": Mark("purple", "^", "--"),
    "last_layer": Mark("purple", "D", ":"),
    "reversed": Mark("purple", "v", "-."),
    "all_to_one": Mark("purple", "o", "--"),
    "shuffled": Mark("purple", "P"),
}
# For methods of the table that nobody gave a mark, and for all others.
_SPARE = [Mark("olive", marker, line) for line in ("-", "--", ":") for marker in "osv^DP"]
_OTHER = Mark("olive", "h", "-.")

# The markers as SVG paths in a box of 12 by 12, for legends outside figures.
SHAPES = {
    "o": "M6 2.2a3.8 3.8 0 1 0 .01 0z",
    "s": "M2.6 2.6h6.8v6.8h-6.8z",
    "^": "M6 1.8 10.2 9.6H1.8z",
    "v": "M6 10.2 1.8 2.4h8.4z",
    "D": "M6 1.2 10.8 6 6 10.8 1.2 6z",
    "h": "M6 1.4 10 3.7V8.3L6 10.6 2 8.3V3.7z",
    "P": "M4.4 1.6h3.2v2.8h2.8v3.2H7.6v2.8H4.4V7.6H1.6V4.4h2.8z",
}


def mark_of(name: str) -> Mark:
    """The mark of a method, a spare one of the table's; methods that it does not know share one.
    `kd#2` is another configuration of kd, the second of a page that needs a mark of its own: the
    method's colour, with a marker and a line that no relative has."""
    method, _, number = name.partition("#")
    unmarked = [name for name in METHODS if name not in _MARKS]
    mark = _MARKS.get(method) or dict(zip(unmarked, _SPARE, strict=False)).get(method, _OTHER)
    if not number:
        return mark
    taken = {*_MARKS.values(), *_SPARE, _OTHER}
    looks = (Mark(mark.hue, marker, line) for line in ("--", ":", "-.", "-") for marker in SHAPES)
    free = [look for look in looks if look not in taken]
    return free[(int(number) - 1) % len(free)]


BLUE = (0.16, 0.47, 0.78)  # between black and white in lightness: text of either reads on it
FULL = 0.85  # how much of the background the strongest shade covers


def draw_shades(axes: Axes, values: np.ndarray) -> None:
    """Draw a matrix of values from 0 to 1, row 1 on top."""
    pixels = np.empty((*values.shape, 4))
    pixels[..., :3] = BLUE
    pixels[..., 3] = FULL * np.clip(values, 0.0, 1.0)
    axes.imshow(pixels, aspect="auto", interpolation="none")


WIDTH = 3.7  # inches of a panel: about a phone's, so that text is as large as the page's
FONT, SMALL = 9.4, 8.6  # points
CHARACTER = 0.072  # inches of one of FONT on average, generously: the page's font is not known

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": FONT,
    "font.family": "DejaVu Sans",
    "lines.solid_capstyle": "round",
    "axes.axisbelow": True,
    "text.color": INK,
    "grid.color": RULE,
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("axes.labelsize", "xtick.labelsize", "ytick.labelsize"), SMALL),
    **dict.fromkeys(("axes.linewidth", "grid.linewidth"), 0.7),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 3),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "text.parse_math"), False),
}


def style() -> AbstractContextManager[None]:
    """The look of all figures, whatever a person's matplotlibrc says; around the drawing of many,
    and around their way into `svg` or `png`."""
    import matplotlib

    return matplotlib.rc_context({**matplotlib.rcParamsDefault, **_STYLE})


def panel(
    height: float, left: float = 0.5, right: float = 0.12, top: float = 0.1, bottom: float = 0.45
) -> tuple[Figure, Axes]:
    """A figure of one axes; its height and the margins around it are in inches."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    total = height + top + bottom
    figure = Figure(figsize=(WIDTH, total), facecolor="none")
    FigureCanvasSVG(figure)  # it belongs to no window and no pyplot state
    box = (left / WIDTH, bottom / total, (WIDTH - left - right) / WIDTH, height / total)
    return figure, figure.add_axes(box, facecolor="none")


def row_panel(
    labels: Mapping[int, str], count: int, height: float, **margins: float
) -> tuple[Figure, Axes]:
    """A figure of so many rows from top to bottom, with the names of some to the left."""
    short = [cut(label) for label in labels.values()]
    figure, axes = panel(height, left=label_width(short), **margins)
    axes.set_ylim(count - 0.4, -0.6)
    row_labels(axes, short, list(labels))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.grid(True)
    axes.locator_params(axis="x", nbins=4)
    return figure, axes


def row_labels(axes: Axes, labels: Sequence[str], rows: Sequence[float], **how: Any) -> None:
    """Write labels to the left of an axes, one beside each row, as plain text: a tick would bring
    four more artists along, and there are thousands of rows."""
    across = axes.get_yaxis_transform()
    for label, row in zip(labels, rows, strict=True):
        axes.text(-0.02, row, label, transform=across, ha="right", va="center", **how)


def label_width(labels: list[str]) -> float:
    """Inches that these labels need beside an axis."""
    return min(1.6, 0.12 + CHARACTER * max(map(len, labels), default=0))


def cut(label: str, characters: int = 21) -> str:
    """A label that fits beside an axis."""
    return label if len(label) <= characters else f"{label[: characters - 1]}…"


_HEAD = re.compile(r"^.*?<svg[^>]*?viewBox=\"([^\"]*)\"[^>]*>", re.DOTALL)
_DROPPED = re.compile(
    r"\s*<metadata>.*?</metadata>|\s*<style[^>]*>.*?</style>|font-family: [^;\"]*;? ?"
    r"| transform=\"rotate\(-?0 [^)]*\)\"",
    re.DOTALL,
)
_ID = re.compile(r' id="([^"]*)"')
_COLOUR = re.compile("|".join(rf"{colour}\b" for colour in PLACEHOLDERS))


def svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an SVG element to be put into a page, where its name is unique, of letters,
    digits and hyphens; the label says what it shows to those who do not see it."""
    import matplotlib

    out, untold = io.StringIO(), dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata=untold, transparent=True)
    text = out.getvalue()
    head = _HEAD.match(text)
    assert head is not None
    body = _DROPPED.sub("", text[head.end() :])
    wanted = set(re.findall(r'(?:href="|url\()#([^")]*)', body))
    body = _ID.sub(lambda m: f' id="{name}-{m[1]}"' if m[1] in wanted else "", body)
    body = re.sub(r'xlink:href="#|url\(#', lambda m: f"{m[0].removeprefix('xlink:')}{name}-", body)
    body = _COLOUR.sub(lambda m: f"var(--{PLACEHOLDERS[m[0]]})", body)
    body = re.sub(r"\s*\n\s*", " ", body).replace("> <", "><")
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="{head[1]}"'
        f' style="--w:{float(head[1].split()[2]):.0f}">{body.strip()}'
    )


def png(figure: Figure) -> bytes:
    """The figure as a PNG file on white; the same libraries give the same bytes."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    return out.getvalue()
