"""A page read with the standard library's parser: its elements, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "input", "img", "link", "hr"}


@dataclass
class Element:
    """One element and what is inside it."""

    tag: str
    attributes: dict[str, str | None]
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All its words, those of its children too."""
        return " ".join([*self.words, *(child.text for child in self.children)]).strip()

    def all(self, tag: str) -> list[Element]:
        """Every element of a kind below this one, in order."""
        found = []
        for child in self.children:
            found += [child] if child.tag == tag else []
            found += child.all(tag)
        return found

    def every(self) -> list[Element]:
        """Every element below this one."""
        return [e for child in self.children for e in [child, *child.every()]]

    def get(self, name: str) -> str | None:
        """An attribute."""
        return self.attributes.get(name)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.here = Element("document", {})

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs), self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag, attrs):
        self.here.children.append(Element(tag, dict(attrs), self.here))

    def handle_endtag(self, tag):
        assert self.here.tag == tag, f"<{self.here.tag}> is closed by </{tag}>"
        self.here = self.here.parent

    def handle_data(self, data):
        if data.strip():
            self.here.words.append(data.strip())


def read_page(text: str) -> Element:
    """The page; an element that is not closed, or closed in the wrong order, is an error."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert parser.here is parser.root, f"<{parser.here.tag}> is never closed"
    return parser.root
