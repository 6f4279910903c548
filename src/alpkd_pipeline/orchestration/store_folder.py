"""The folder of all results, refused before anything is written where no folder can be."""

from __future__ import annotations

import os
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.integrity.places import KINDS, RERUNS


def store_folder(project: Path, given: str) -> Path:
    """The folder of all results. Folders in it may be links, to another disk for instance.

    Args:
        project: where relative paths start.
        given: the parameter `run.store`.

    Raises:
        UserError: it, or a folder in it where results belong, is a link that leads to no folder,
            or a file; or its path is not text.
    """
    path = project / Path(given).expanduser()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{path}: the name of a folder is not UTF-8; rename it") from None
    for folder in (*reversed(path.parents), path):
        _check_folder(folder)
    store = path.resolve()
    inside = [(store / kind.place).parent for kind in KINDS]
    for folder in (store / ".cache", store / RERUNS, *inside, *(store / k.place for k in KINDS)):
        _check_folder(folder)
    return store


def _check_folder(path: Path) -> None:
    if path.is_dir() or not os.path.lexists(path):
        return
    if path.is_symlink():
        raise UserError(
            f"{path} is a link to {os.readlink(path)}, where no folder is: make that folder or"
            " mount its disk, or remove the link"
        )
    raise UserError(f"{path} is a file, where a folder for results belongs: move it away")
