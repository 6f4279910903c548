"""What many cells have in common: digests of data, encoders and code, found out once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Found = TypeVar("Found")


class SharedFacts:
    """A memory for facts that hold as long as no file changes.

    Every `Cell` has one of its own, so that it sees the files as they are; the cells of a grid
    share one, so that 2,000 cells are planned with one look at each file.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def once(self, what: Hashable, find: Callable[[], Found]) -> Found:
        """The fact of a name, found out the first time that it is asked for.

        Args:
            what: a name that holds everything that the fact depends on but the files.
            find: finds it out; an exception is remembered by nobody.
        """
        if what not in self._known:
            self._known[what] = find()
        known: Found = self._known[what]
        return known
