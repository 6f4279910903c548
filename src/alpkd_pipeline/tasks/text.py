"""Small questions about texts. Standard library only."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
"""Categories of characters that show nothing: controls, zero-width and other format characters."""

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that show nothing: joiners, fillers, the empty Braille pattern."""


def normalise(text: str) -> str:
    """A text without differences of case, Unicode form and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_blank(text: str) -> bool:
    """Whether there is nothing to see in a text."""
    return all(unicodedata.category(one) in _INVISIBLE or one in _BLANKS for one in text)


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8; bytes that could not be read leave it unwritable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_bytes(text: str) -> bytes:
    """The bytes of a text that could not be read as UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character, written as such in a JSON line
        return text.encode("utf-8", "surrogatepass")
