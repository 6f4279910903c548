"""Where the lock of a folder lies: one place for those who hold it and those who ask for it."""

from __future__ import annotations

from pathlib import Path

LOCKS = ".locks"
"""The folder of locks, beside what they guard."""


def lock_file(final: Path) -> Path:
    """The lock of what lies, or will lie, at a path."""
    return final.parent / LOCKS / f"{final.name}.lock"
