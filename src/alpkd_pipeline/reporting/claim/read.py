"""Claims as stores, so that what others made, or another machine, stands in one table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

from alpkd_pipeline.errors import UserError, first_line, user_error
from alpkd_pipeline.reporting.claim.verify import CLAIM, evidence
from alpkd_pipeline.store.layout import CACHE
from alpkd_pipeline.store.manifest import room_for, sha256_file


def claims_below(folder: str) -> dict[str, Path]:
    """Digest -> each claim in a folder, or the claim itself; of several copies one.

    Raises:
        UserError: there is none.
    """
    path = Path(folder).expanduser()
    found = sorted(path.glob("*.zip")) if path.is_dir() else [path]
    if not (found := [claim for claim in found if claim.is_file()]):
        raise UserError(
            f"parameter 'compare.claims' = '{folder}': there is no claim; `kedro claim FILE.zip`"
            " writes one"
        )
    return {sha256_file(claim): claim for claim in reversed(found)}


def unpacked(store: Path, claims: Mapping[str, Path]) -> list[Path]:
    """The claims as stores, below the cache of a store; each is unpacked once.

    Raises:
        UserError: a file is no claim, one of another format, or its scores do not follow from the
            answers in it.
    """
    places = [store / CACHE / "claims" / digest[:16] for digest in claims]
    for place, claim in zip(places, claims.values(), strict=True):
        if not place.is_dir() or _wrong(place):
            _unpack(claim, place)
    return places


def _unpack(claim: Path, place: Path) -> None:
    work = place.with_name(f"{place.name}.{os.getpid()}.work")
    try:
        with room_for(place), ZipFile(claim) as file:
            file.extractall(work)
        wrong = _wrong(work) if (work / CLAIM).is_file() else f"it has no {CLAIM}"
        if wrong:
            raise ValueError(wrong)
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # another process was faster
            work.replace(place)
    except Exception as error:  # a damaged zip raises a dozen kinds of them
        if user_error(error) is not None:
            raise
        raise UserError(f"{claim} cannot be read as a claim: {first_line(error)}") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _wrong(place: Path) -> str:
    """What of a claim is not as it says; empty if all is."""
    try:
        return next((what for good, what in evidence(place) if good is False), "")
    except Exception as error:  # whatever a changed file leads to
        return first_line(error)
