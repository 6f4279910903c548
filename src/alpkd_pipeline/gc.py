"""How often Python searches for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS = 50_000  # new ones between two searches; Python's own number is 700


def collect_seldom() -> None:
    """Let this process search less often; for programs, not for whoever imports the package.

    A start makes hundreds of thousands of objects and no garbage to speak of: importing torch,
    transformers and MLflow takes a sixth less with few searches.
    """
    gc.set_threshold(OBJECTS)


@contextmanager
def collected_seldom() -> Iterator[None]:
    """The same for a part of somebody else's process, which searches as before afterwards."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)
