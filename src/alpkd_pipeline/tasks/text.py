"""Two small questions about texts. Standard library only."""

from __future__ import annotations

import unicodedata


def normalise(text: str) -> str:
    """A text without differences of case, Unicode form and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8; bytes that could not be read leave it unwritable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
