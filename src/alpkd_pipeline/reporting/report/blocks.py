"""What a page is made of. Sections build these; the template knows how each looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table, or a piece of a sentence.

    Attributes:
        text: what it says.
        href: where it leads, `#id` or an address.
        small: said below it, smaller.
        title: said when it is pointed at.
        strong: whether it stands out.
        tone: a class of the style sheet: `better`, `worse`, `quiet`, `code`.
        mark: the method whose mark stands before the text.
        id: what others link to.
    """

    text: str
    href: str = ""
    small: str = ""
    title: str = ""
    strong: bool = False
    tone: str = ""
    mark: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading.

    Attributes:
        text: the heading.
        right: whether its cells are numbers.
        title: what it means, in a sentence.
    """

    text: str
    right: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """Rows that belong together.

    Attributes:
        rows: cells; the first cell of a row is its heading.
        id: what others link to.
        heading: a line above the rows.
        tone: a class of the style sheet, `teacher` for the teacher's rows.
    """

    rows: Sequence[Sequence[Cell]]
    id: str = ""
    heading: str = ""
    tone: str = ""
    heading_id: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption.

    Attributes:
        caption: what it shows, and how to read it.
        columns: the headings.
        bodies: the rows.
        id: what others link to, and what the search box is for.
        tools: whether it gets a search box and can be sorted, where scripts run.
    """

    kind: ClassVar[str] = "table"

    caption: str
    columns: Sequence[Column]
    bodies: Sequence[Body]
    id: str = ""
    tools: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; its pieces may be links."""

    kind: ClassVar[str] = "text"

    pieces: Sequence[Cell]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    kind: ClassVar[str] = "heading"

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms and what is to be said of them."""

    kind: ClassVar[str] = "facts"

    rows: Sequence[tuple[str, Sequence[Cell]]]


@dataclass(frozen=True, slots=True)
class Legend:
    """The marks of methods.

    Attributes:
        methods: their names.
        lines: whether lines are drawn too.
    """

    kind: ClassVar[str] = "legend"

    methods: Sequence[str]
    lines: bool = False


@dataclass(frozen=True, slots=True)
class Plate:
    """One picture.

    Attributes:
        svg: of `canvas.svg`, put into the page as it is.
        title: said above it.
        note: said below it.
    """

    svg: str
    title: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plates:
    """Pictures side by side, as many as the window has room for."""

    kind: ClassVar[str] = "plates"

    plates: Sequence[Plate]


@dataclass(frozen=True, slots=True)
class Details:
    """Something to open."""

    kind: ClassVar[str] = "details"

    summary: str
    blocks: Sequence[Block]
    open: bool = False


Block = Table | Text | Heading | Facts | Legend | Plates | Details


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        id: what others link to.
        title: the heading.
        blocks: what it holds.
    """

    id: str
    title: str
    blocks: Sequence[Block] = field(default=())


def meanings(columns: Sequence[Column]) -> list[Text]:
    """What the columns of a table mean, as a line to read; none where headings say it all."""
    said = "; ".join(f"{c.text}: {c.title}" for c in columns if c.title)
    return [Text([Cell(f"{said}.")], "quiet")] if said else []


def text(said: str, tone: str = "") -> Text:
    """A paragraph without links; what stands between backticks is typed as it is."""
    parts = said.split("`")
    return Text([Cell(p, tone="code" if i % 2 else "") for i, p in enumerate(parts) if p], tone)
