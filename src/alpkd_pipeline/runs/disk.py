"""A disk that is full: which file found no room, and how much there is."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alpkd_pipeline.errors import DiskFullError, no_room


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """A context that writes a file or a folder; the innermost one of several tells.

    Args:
        path: what is written; told where the operating system does not name a file in it.

    Raises:
        DiskFullError: the disk, a quota or a limit of file sizes left no room. Other errors, and
            this one if it was raised before, stay as they are.
    """
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        full = no_room(error)
        if full is None:
            raise
        what, file = full
        raise DiskFullError(
            f"{file or path} could not be written: {what}{_free(path)}; free space and run the same"
            " command again"
        ) from error


def _free(path: Path) -> str:
    """How many megabytes (10^6 bytes) are free where a path lies, in words."""
    there = next((place for place in (path, *path.parents) if place.exists()), None)
    try:
        free = None if there is None else shutil.disk_usage(there).free
    except OSError:
        free = None
    return "" if free is None else f" ({free / 1e6:.1f} MB free there)"
