"""What a model is, for the keys of the results that depend on it. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.model_files import CONFIG, weight_files
from alpkd_pipeline.models.source import ModelRef, hub_snapshot, kind_of, locate
from alpkd_pipeline.runs.digest_cache import sha256_cached


def model_digest(ref: ModelRef, project: Path, cache_file: Path | None = None) -> dict[str, Any]:
    """The identity of a model as JSON-ready values; equal for equal weights and configuration.

    A hub model is its id and commit, so that it is the same before and after the download. All
    others are their bytes, so that a folder may be moved and may not be changed unnoticed.

    Args:
        ref: the model.
        project: where relative folders start.
        cache_file: remembers the hashes of large files; None reads them each time.

    Raises:
        UserError: as `locate` does; a hub model may be one that is not downloaded yet.
    """
    if kind_of(ref, project) == "hub":
        hub_snapshot(ref)  # refuses a revision that is not a commit
        return {"hub": ref.model, "revision": ref.revision}
    folder = locate(ref, project, download=False)
    files = [folder / CONFIG, *weight_files(folder)]
    return {"files": {path.name: sha256_cached(path, cache_file) for path in files}}


def verify_weights(folder: Path, expected_sha256: str) -> None:
    """Compare a model's weights with the sha256 that the user pinned.

    Args:
        folder: a model folder with a single safetensors file.
        expected_sha256: 64 hex digits.

    Raises:
        UserError: the weights are others, or come in several files.
    """
    files = weight_files(folder)
    if len(files) != 1:
        raise UserError(f"{folder} has {len(files)} weight files; a sha256 can be pinned for one")
    found = sha256_cached(files[0], None)
    if found != expected_sha256.lower():
        raise UserError(
            f"{files[0]} has sha256 {found}, not the pinned {expected_sha256}: another model, or"
            " damaged; nothing was loaded"
        )
