"""Where the lock of a folder lies: one place for those who hold it and those who ask for it."""

from __future__ import annotations

from pathlib import Path

LOCKS = ".locks"
"""The folder of locks, beside what they guard."""


def lock_file(final: Path, key: str = "") -> Path:
    """The lock of what lies, or will lie, at a path.

    Args:
        final: the path.
        key: the key of a result. Its lock is called after the key alone: two processes that know
            one model by two names must not make the same result twice.
    """
    return final.parent / LOCKS / f"{key[:8] or final.name}.lock"
