"""What went wrong with a tracking store, in one line that names no password."""

from __future__ import annotations

import sqlite3

from alpkd_pipeline.errors import mask_credentials


def one_line(error: BaseException) -> str:
    """An error's kind and first line, without credentials."""
    first = next(iter(str(error).strip().splitlines()), "")
    kind = type(error).__name__
    return mask_credentials(f"{kind}: {first}" if first else kind)[:300]


def store_fault(error: Exception) -> str:
    """Why a store did not answer: `Connection refused`, not the four messages wrapped round it."""
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    outside = isinstance(inner, OSError | sqlite3.Error)
    return one_line(inner if outside else error)
