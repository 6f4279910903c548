"""Claims as stores, so that what others made, or another machine, stands in one table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.claim.verify import CLAIM
from alpkd_pipeline.store.layout import CACHE
from alpkd_pipeline.store.manifest import read_object, sha256_file


def claims_below(folder: str) -> dict[str, Path]:
    """Digest -> each claim in a folder, or the claim itself; of several copies one.

    Raises:
        UserError: there is none.
    """
    path = Path(folder).expanduser()
    found = sorted(path.glob("*.zip")) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise UserError(
            f"parameter 'compare.claims' = '{folder}': there is no claim; `kedro claim FILE.zip`"
            " writes one"
        )
    return {sha256_file(claim): claim for claim in reversed(found)}


def unpacked(store: Path, claims: Mapping[str, Path]) -> list[Path]:
    """The claims as stores, below the cache of a store; each is unpacked once.

    Raises:
        UserError: a file is no claim.
    """
    places = []
    for digest, claim in claims.items():
        place = store / CACHE / "claims" / digest[:16]
        if not place.is_dir():
            work = place.with_name(f"{place.name}.{os.getpid()}.work")
            shutil.rmtree(work, ignore_errors=True)
            try:
                with ZipFile(claim) as file:
                    file.extractall(work)
            except (BadZipFile, OSError) as error:
                shutil.rmtree(work, ignore_errors=True)
                raise UserError(f"{claim} cannot be read as a claim ({error})") from None
            if "students" not in read_object(work / CLAIM):
                shutil.rmtree(work)
                raise UserError(f"{claim} is no claim: it has no {CLAIM}")
            work.replace(place)
        places.append(place)
    return places
