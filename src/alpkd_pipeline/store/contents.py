"""Every file of sealed folders against the list in their manifests."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event, Lock
from typing import Any, TextIO, TypeVar

from alpkd_pipeline.store.artifact import ORDER
from alpkd_pipeline.store.findings import Count, State
from alpkd_pipeline.store.manifest import (
    MANIFEST,
    OWN_DIGEST,
    SCHEMA,
    list_files,
    read_manifest,
    sha256_file,
)

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


CHUNK = 4 * 2**20
"""Bytes that each thread holds."""

MOST_THREADS = 8

Job = TypeVar("Job")


def hash_all(
    jobs: Iterable[tuple[Job, Path]], read: Callable[[int], None] = lambda count: None
) -> Iterator[tuple[Job, str | OSError]]:
    """Hash files, several at a time.

    Args:
        jobs: each with its file; taken from the iterator only as threads become free.
        read: told of bytes as they are read, from several threads.

    Yields:
        Each job with its file's sha256, or why the file cannot be read; in no order.
    """
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    left, stop = iter(jobs), Event()
    running: dict[Future[str | OSError], Job] = {}
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                for job, path in islice(left, 4 * threads - len(running)):
                    running[pool.submit(_hash, path, read, stop)] = job
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        finally:
            stop.set()  # whoever stops asking does not wait for large files


def _hash(path: Path, read: Callable[[int], None], stop: Event) -> str | OSError:
    digest, buffer = hashlib.sha256(), bytearray(CHUNK)
    view = memoryview(buffer)
    try:
        with path.open("rb", buffering=0) as file:
            while (count := file.readinto(buffer)) and not stop.is_set():
                digest.update(view[:count])
                read(count)
    except OSError as error:
        return error
    return digest.hexdigest()


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


QUIET_SECONDS = 2.0
"""What is done before that says nothing."""

PIPED_SECONDS = 30.0
"""Seconds between two lines where nobody watches a terminal."""


class ByteProgress:
    """Counts bytes, from several threads, and says now and then how many are read.

    Args:
        out: where to; the standard error by default.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self.total = 0
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._read, self._lock = 0, Lock()
        self._began = time.monotonic()
        self._next = self._began + QUIET_SECONDS
        self._said = False

    def __call__(self, count: int) -> None:
        """So many bytes more."""
        with self._lock:
            self._read += count
            now = time.monotonic()
            if now >= self._next:
                self._next = now + (0.2 if self._live else PIPED_SECONDS)
                self._say(now - self._began)

    def _say(self, seconds: float) -> None:
        part = min(1.0, self._read / self.total) if self.total else 0.0
        left = f", about {seconds / part - seconds:.0f} s left" if part >= 0.05 else ""
        line = f"{part:4.0%} of {self.total / 1e9:.2f} GB read{left}"
        self._out.write(f"\r{line:<60}" if self._live else f"{line}\n")
        self._out.flush()
        self._said = True

    def close(self) -> None:
        """Take the line back."""
        if self._said and self._live:
            self._out.write("\r" + " " * 60 + "\r")
            self._out.flush()
