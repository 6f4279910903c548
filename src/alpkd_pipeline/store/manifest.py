"""A folder's manifest: the list of its files with sizes and sha256, written last.

A folder without a valid manifest does not exist as far as the pipelines are concerned, so a
half-written result is never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from alpkd_pipeline.errors import DiskFullError, UserError, no_room, user_error

MANIFEST = "manifest.json"

SCHEMA, OWN_DIGEST = "schema", "sha256"
"""Where a manifest says its version and the hash of its other entries: it guards all files, so
something has to guard it. Manifests of older versions have neither of the two."""


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing if it is no folder, or none any more. Folders are
    renamed while others look: `Path.glob` would raise."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def list_files(folder: Path) -> list[Path]:
    """Every result file below a folder, sorted; names that start with a dot do not count."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != MANIFEST
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def describe(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and sha256 of each file of a folder, by its name relative to the folder."""
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": sha256_file(path),
        }
        for path in list_files(folder)
    }


def seal(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write a finished folder's manifest, and give it: `facts` (its key, ...) and its files."""
    manifest = {**facts, SCHEMA: 2, "files": describe(folder)}
    manifest[OWN_DIGEST] = _own_digest(manifest)
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or None when there is none, or one that is damaged."""
    found = read_object(folder / MANIFEST)
    if "files" not in found:
        return None
    if OWN_DIGEST not in found:
        return None if SCHEMA in found else found
    return found if found[OWN_DIGEST] == _own_digest(found) else None


def _own_digest(manifest: dict[str, Any]) -> str:
    others = {name: value for name, value in manifest.items() if name != OWN_DIGEST}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def is_complete(folder: Path, key: str | None = None) -> bool:
    """Whether a folder is published: a readable manifest, with the key if one is given, every file
    there with its size. The bytes are compared by `RunFolder`, when they are read."""
    manifest = read_manifest(folder)
    if manifest is None or (key is not None and manifest.get("key") != key):
        return False
    try:
        return all(
            (folder / name).stat().st_size == facts["bytes"]
            for name, facts in manifest["files"].items()
        )
    except OSError:
        return False


def publish(work: Path, final: Path, facts: dict[str, Any]) -> None:
    """Seal a finished work folder and put it in place by rename; an older result steps aside first.
    Both must lie on one file system. `facts` is what the manifest says beside the files."""
    _share(work)
    seal(work, facts)
    final.parent.mkdir(parents=True, exist_ok=True)
    old = final.with_name(f".{final.name}.{uuid.uuid4().hex}.old")
    if final.exists():
        os.rename(final, old)
    os.rename(work, final)
    shutil.rmtree(old, ignore_errors=True)


def _share(folder: Path) -> None:
    """Let others read what this user's umask lets them: weights are written for the owner alone."""
    mask = os.umask(0)
    os.umask(mask)
    for path in list_files(folder):
        path.chmod(path.stat().st_mode | (0o444 & ~mask))


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `write_text` does."""
    write_text(path, as_json(value))


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees either the old one or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Threads of one process share its id.
    temporary = path.with_name(f".{path.name}.{os.getpid()}{get_ident()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # Python does not say which file it could not write to.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def as_json(value: Any) -> str:
    """The text of a JSON file."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def read_json(path: Path) -> Any:
    """Read a JSON file written by `write_json`."""
    return json.loads(path.read_text("utf-8"))


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file that may be missing, damaged or another thing: then it is empty."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """A context that writes a path, a file or a folder; the innermost one of several tells. Raises
    DiskFullError where the disk, a quota or a limit of file sizes left no room; it names the path
    where the system names no file in it. Other errors, and one of these, stay as they are."""
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        full = no_room(error)
        if full is None:
            raise
        what, file = full
        raise DiskFullError(
            f"{file or path} could not be written: {what}{_free(path)}; free space and run the same"
            " command again"
        ) from error


def _free(path: Path) -> str:
    """How many megabytes (10^6 bytes) are free where a path lies, in words."""
    try:
        there = next(place for place in (path, *path.parents) if place.exists())
        return f" ({shutil.disk_usage(there).free / 1e6:.1f} MB free there)"
    except (OSError, StopIteration):
        return ""


def write_zip(out: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a zip of files by name, in their order, with one and the same time, so that equal files
    are equal zips to the byte; in place when it is whole. UserError where it cannot be written."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with room_for(out), ZipFile(temporary, "w", ZIP_DEFLATED, compresslevel=9) as file:
            for name, content in files:
                file.writestr(ZipInfo(name), content, ZIP_DEFLATED)
        temporary.replace(out)
    except OSError as error:
        error.filename = str(out)
        if user_error(error) is None:
            why = f"{out} cannot be written: {error.strerror}; choose another place"
            raise UserError(why) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


LOCKS = ".locks"
"""The folder of locks, beside what they guard."""


def lock_file(final: Path, key: str = "") -> Path:
    """The lock of what lies, or will lie, at a path. That of a result is called after its key
    alone: two processes that know one model by two names must not make the same result twice."""
    return final.parent / LOCKS / f"{key[:8] or final.name}.lock"
