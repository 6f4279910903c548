"""A sealed folder's manifest, read with distrust: every byte of it must be as `seal` wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.runs.artifact import ORDER
from alpkd_pipeline.runs.manifest import MANIFEST, OWN_DIGEST, SCHEMA, list_files, read_manifest

FACTS = {"stage", "key", "made_from", "step", "beside", ORDER, SCHEMA, OWN_DIGEST}
"""What manifests say beside their files: a name that is none of these was another one once."""


class UnreadableError(Exception):
    """A manifest that is missing, or is not as `seal` writes it; says why."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a manifest says.

    Attributes:
        folder: the folder.
        facts: everything but the files.
        files: name -> size and sha256.
    """

    folder: Path
    facts: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(int(file["bytes"]) for file in self.files.values())

    def missing(self) -> list[str]:
        """Files that are listed and not there."""
        return [name for name in self.files if not (self.folder / name).is_file()]

    def extra(self) -> list[str]:
        """Files that are there and not listed."""
        try:
            names = [path.relative_to(self.folder).as_posix() for path in list_files(self.folder)]
        except FileNotFoundError:
            return []  # it is being moved, which a second look at the manifest shows
        return [name for name in names if name not in self.files]


def read_sealed(folder: Path) -> Sealed:
    """Read a folder's manifest.

    A manifest holds a hash of its own contents (`read_manifest`). Beside that its text must be the
    one in which `seal` writes these contents, to the last space.

    Raises:
        UnreadableError: says what is wrong with it.
    """
    try:
        text = (folder / MANIFEST).read_bytes().decode("utf-8")
        found = json.loads(text)
        files = found.pop("files")
        sizes = [file["bytes"] >= 0 and len(file["sha256"]) for file in files.values()]
    except FileNotFoundError:
        raise UnreadableError("it is missing") from None
    except OSError as error:
        raise UnreadableError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnreadableError("it is not a manifest any more") from None
    as_written = text == _written({**found, "files": files}) and not set(found) - FACTS
    if not as_written or set(sizes) - {64} or read_manifest(folder) is None:
        raise UnreadableError("its text has changed since it was written")
    return Sealed(folder, found, files)


def _written(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
