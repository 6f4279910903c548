"""Renames folders just before others look at them: each look in turn, so that nothing is luck."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOKS = ("open", "os.listdir", "os.scandir")

_WATCHERS: list[Callable[[str], None]] = []
"""Python's hooks stay for the life of a process; this one does nothing while nobody watches."""


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _WATCHERS and event in LOOKS and arguments:
        for watch in list(_WATCHERS):
            watch(str(arguments[0]))


sys.addaudithook(_hook)


@contextmanager
def before_look(number: int, below: Path, *actions: Callable[[], object]) -> Iterator[list[str]]:
    """Do something just before a look at something below a folder, and more before the next ones.

    Args:
        number: which look, from 0.
        below: the folder.
        *actions: what is done before this look, before the next one, and so on.

    Yields:
        What was looked at, filled as it happens.
    """
    looks: list[str] = []

    def watch(path: str) -> None:
        if not path.startswith(str(below)):
            return
        looks.append(path)
        turn = len(looks) - 1 - number
        if 0 <= turn < len(actions):
            _WATCHERS.remove(watch)  # the actions look too
            actions[turn]()
            _WATCHERS.append(watch)

    _WATCHERS.append(watch)
    try:
        yield looks
    finally:
        _WATCHERS.remove(watch)


def at_every_look(below: Path, look: Callable[[], object]) -> range:
    """The numbers of the looks that something takes.

    Args:
        below: the folder that is looked at.
        look: what looks.
    """
    with before_look(0, below) as looks:
        look()
    assert looks
    return range(len(looks))
