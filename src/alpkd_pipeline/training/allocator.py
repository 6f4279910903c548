"""What the C library does with memory that a step has freed.

A step on the CPU asks for the same hundred megabytes as the one before. glibc gives freed memory
back to the system at once, and the system fills each page with zeros when it is asked for again:
four thousand page faults a step, 5 to 8 % of a small student's time (benchmarks/README.md).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

NEVER = 2**31 - 1
DEFAULT_TRIM_THRESHOLD = 128 * 1024
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""Blocks up to this size come from the heap, which is kept; glibc allows no more."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """A context in which freed memory stays with the process; at its end all of it is given back.

    Results do not depend on it. Where the C library is not glibc, nothing is changed.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    libc.mallopt(M_TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        libc.mallopt(M_TRIM_THRESHOLD, DEFAULT_TRIM_THRESHOLD)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
