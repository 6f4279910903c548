"""Zips that are the same, byte by byte, for the same files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from alpkd_pipeline.errors import UserError, user_error
from alpkd_pipeline.store.manifest import room_for


def write_zip(out: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files by name, in their order, with one and the same time; in place when it is whole.
    Raises UserError where it cannot be written."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with room_for(out), ZipFile(temporary, "w", ZIP_DEFLATED, compresslevel=9) as file:
            for name, content in files:
                file.writestr(ZipInfo(name), content, ZIP_DEFLATED)
        temporary.replace(out)
    except OSError as error:
        error.filename = str(out)
        if user_error(error) is None:
            reason = f"{out} cannot be written: {error.strerror}; choose another place"
            raise UserError(reason) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
