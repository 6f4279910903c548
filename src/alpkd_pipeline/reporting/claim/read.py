"""Claims as stores, so that what others made, or another machine, stands in one table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

from alpkd_pipeline.errors import UserError, first_line, kind_and_line, user_error
from alpkd_pipeline.reporting.claim.verify import CLAIM, evidence
from alpkd_pipeline.store.layout import CACHE
from alpkd_pipeline.store.manifest import room_for, sha256_file


def claims_below(folder: str) -> dict[str, Path]:
    """Digest -> each claim in a folder, or the claim itself; of several copies one. Raises
    UserError where there is none."""
    path = Path(folder).expanduser()
    if not path.exists():
        raise UserError(
            f"parameter 'compare.claims' = '{folder}': there is nothing at {path.absolute()}; name"
            " a claim, or a folder of them, from where the command is typed"
        )
    found = sorted(path.glob("*.zip")) if path.is_dir() else [path]
    if not (found := [claim for claim in found if claim.is_file()]):
        raise UserError(
            f"parameter 'compare.claims' = '{folder}': there is no claim; `kedro claim FILE.zip`"
            " writes one"
        )
    return {sha256_file(claim): claim for claim in reversed(found)}


def unpacked(store: Path, claims: Mapping[str, Path]) -> list[Path]:
    """The claims as stores, below the cache of a store; each unpacked once. Raises UserError
    where one is no claim, of another format, or its scores do not follow from its answers."""
    places = [store / CACHE / "claims" / digest[:16] for digest in claims]
    for place, claim in zip(places, claims.values(), strict=True):
        if not place.is_dir() or _wrong(place):
            _unpack(claim, place)
    return places


def _unpack(claim: Path, place: Path) -> None:
    work = place.with_name(f"{place.name}.{os.getpid()}.work")
    try:
        remedy = "name a zip that `kedro claim` wrote, or ask whoever made it for it anew"
        wrong = _not_extracted(claim, work)
        if not wrong and (wrong := _wrong(work)):
            remedy = (
                "ask whoever made it for it anew, `python -I verify.py` in its unpacked folder says"
                " all that is wrong"
            )
        if wrong:
            raise UserError(f"{claim} cannot be read as a claim: {wrong}; {remedy}")
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # another process was faster
            work.replace(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _not_extracted(claim: Path, work: Path) -> str:
    """Why a file is not a zip with a claim; empty if it is unpacked."""
    try:
        with room_for(work.parent), ZipFile(claim) as file:
            file.extractall(work)
    except Exception as error:  # a damaged zip raises a dozen kinds of them
        if user_error(error) is not None:
            raise
        return f"it is no zip, or not all of one ({first_line(error)})"
    return "" if (work / CLAIM).is_file() else f"it has no {CLAIM}"


def _wrong(place: Path) -> str:
    """What of a claim is not as it says; empty if all is."""
    try:
        found = next((what for good, what in evidence(place) if good is False), "")
    except (ValueError, OSError) as error:
        found = first_line(error)
    except Exception as error:  # whatever a changed file leads to
        found = f"{CLAIM} is no claim's: {kind_and_line(error)}"
    return found.replace(f"{place}/", "")


def is_claim(path: Path) -> bool:
    """Whether a file looks like a claim: a zip that has a claim.json."""
    try:
        with ZipFile(path) as file:
            return CLAIM in file.namelist()
    except Exception:  # whatever a file of another kind leads to
        return False
