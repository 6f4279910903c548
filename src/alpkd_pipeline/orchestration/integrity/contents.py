"""Every file of sealed folders against the list in their manifests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.orchestration.integrity.findings import Count, State
from alpkd_pipeline.orchestration.integrity.hashing import hash_all
from alpkd_pipeline.orchestration.integrity.progress import ByteProgress
from alpkd_pipeline.orchestration.integrity.sealed import Sealed, UnreadableError, read_sealed
from alpkd_pipeline.runs.manifest import MANIFEST, sha256_file


@dataclass(frozen=True, slots=True)
class Fault:
    """One file that is not as its folder's manifest has it.

    Attributes:
        folder: the folder.
        state: `damaged`, `missing` or `extra`.
        file: the file's name in the folder.
        what: one sentence.
        expected: the sha256 that was written down.
        found: the sha256 of what is there.
    """

    folder: Path
    state: State
    file: str
    what: str
    expected: str = ""
    found: str = ""


def check_contents(
    folders: Iterable[Path], count: Count, progress: ByteProgress
) -> Iterator[Fault]:
    """Read all files of sealed folders.

    Args:
        folders: each with a manifest.
        count: is added to.
        progress: is told of what is read.

    Yields:
        What is wrong, in no order.
    """
    suspects: dict[Path, tuple[Sealed, list[Fault]]] = {}
    unreadable: list[Fault] = []

    def note(sealed: Sealed, state: State, name: str, what: str, *hashes: str) -> None:
        _, faults = suspects.setdefault(sealed.folder, (sealed, []))
        faults.append(Fault(sealed.folder, state, name, what, *hashes))

    def files() -> Iterator[tuple[tuple[Sealed, str], Path]]:
        for sealed in _read(folders, unreadable):
            count.folders += 1
            missing = set(sealed.missing())
            for name in sorted(missing):
                note(sealed, "missing", name, f"{name} is missing")
            for name in sealed.extra():
                note(sealed, "extra", name, f"{name} is not listed in {MANIFEST}")
            for name in sorted(sealed.files.keys() - missing):
                count.files += 1
                count.bytes += int(sealed.files[name]["bytes"])
                yield (sealed, name), sealed.folder / name

    for (sealed, name), found in hash_all(files(), progress):
        expected = str(sealed.files[name]["sha256"])
        if isinstance(found, OSError):
            note(sealed, "damaged", name, f"{name} cannot be read ({found.strerror})", expected)
        elif found != expected or _size(sealed, name) != sealed.files[name]["bytes"]:
            note(sealed, "damaged", name, _what(sealed, name), expected, found)
    yield from unreadable
    for sealed, faults in suspects.values():
        # Looked at twice: the folder may have been away for the first look.
        yield from (f for f in faults if f.state == "extra" or _holds(sealed, f))


def _read(folders: Iterable[Path], unreadable: list[Fault]) -> Iterator[Sealed]:
    for folder in folders:
        try:
            yield read_sealed(folder)
        except UnreadableError as error:
            if folder.exists():
                unreadable.append(Fault(folder, "damaged", MANIFEST, f"{MANIFEST}: {error}"))


def _holds(sealed: Sealed, fault: Fault) -> bool:
    written = sealed.files[fault.file]
    try:
        found = sha256_file(sealed.folder / fault.file)
    except OSError:
        return True
    return found != written["sha256"] or _size(sealed, fault.file) != written["bytes"]


def _size(sealed: Sealed, name: str) -> int | None:
    try:
        return (sealed.folder / name).stat().st_size
    except OSError:
        return None


def _what(sealed: Sealed, name: str) -> str:
    """Tells a file that was cut from one whose bytes were changed."""
    wanted, there = int(sealed.files[name]["bytes"]), _size(sealed, name)
    size = f": {there:,} bytes instead of {wanted:,}" if there not in (wanted, None) else ""
    return f"{name} is not what was written{size}"
