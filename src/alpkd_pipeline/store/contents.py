"""Every file of sealed folders against the list in their manifests, and what is said of it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from os.path import getsize
from pathlib import Path
from threading import Event, Lock
from typing import Any, Literal, TextIO, TypeVar, get_args

from alpkd_pipeline.store.artifact import ORDER
from alpkd_pipeline.store.manifest import (
    MANIFEST,
    OWN_DIGEST,
    SCHEMA,
    as_json,
    list_files,
    read_manifest,
    sha256_file,
)
from alpkd_pipeline.store.run_folder import or_none

Bad = Literal["damaged", "missing", "mismatched"]
"""What is there is not what was written, or not what it says it is."""

State = Literal[Bad, "extra", "unfinished", "at work", "left over", "copied", "renamed", "orphaned"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it would be in a store that is whole and at rest."""

    state: State  # what it is
    kind: str  # the kind of folder
    folder: str  # the folder, relative to the store
    what: str  # one sentence
    do: str = ""  # what to do about it; empty if nothing
    file: str = ""  # the file inside the folder, if it is about one
    expected: str = ""  # the sha256 that was written down
    found: str = ""  # the sha256 of what is there

    @property
    def is_bad(self) -> bool:
        """Whether a store with it is not sound."""
        return self.state in get_args(Bad)


def made_again(folder: Path, command: str) -> str:
    """What to type: what is damaged counts as there until it is gone."""
    return f"rm -r {shlex.quote(str(folder))}, then {command}"


@dataclass(slots=True)
class Report:
    """What a look at a store came to."""

    store: Path  # the store, or the folder that was looked at alone
    # how many folders, files and bytes of a kind were looked at
    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    findings: list[Finding] = field(default_factory=list)  # in the order of the walk
    seconds: float = 0.0  # how long it took

    @property
    def is_sound(self) -> bool:
        """Whether nothing bad was found."""
        return not any(finding.is_bad for finding in self.findings)

    def bad_folders(self, kind: str) -> int:
        """How many folders of a kind have something bad."""
        return len({f.folder for f in self.findings if f.is_bad and f.kind == kind})

    def plain(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "store": str(self.store),
            "sound": self.is_sound,
            "seconds": round(self.seconds, 3),
            "kinds": [
                {
                    "kind": kind,
                    **{n: c[n] for n in ("folders", "files", "bytes")},
                    "bad": self.bad_folders(kind),
                }
                for kind, c in self.counts.items()
            ],
            "findings": [asdict(finding) for finding in self.findings],
        }


FACTS = {"stage", "key", "made_from", "step", "beside", ORDER, SCHEMA, OWN_DIGEST}
"""What manifests say beside their files: a name that is none of these was another one once."""


class UnreadableError(Exception):
    """A manifest that is missing, or is not as `seal` writes it; says why."""


def read_sealed(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest; an UnreadableError says what is wrong with it. Beside its own hash
    (`read_manifest`) its text must be the one that `seal` writes, to the last space."""
    try:
        text = (folder / MANIFEST).read_bytes().decode("utf-8")
        found: dict[str, Any] = json.loads(text)
        sizes = [file["bytes"] >= 0 and len(file["sha256"]) for file in found["files"].values()]
        facts = {*found} - {"files"}
    except FileNotFoundError:
        raise UnreadableError("it is missing") from None
    except OSError as error:
        raise UnreadableError(f"it cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnreadableError("it is not a manifest any more") from None
    as_written = text == as_json(found) and facts <= FACTS
    if not as_written or set(sizes) - {64} or read_manifest(folder) is None:
        raise UnreadableError("its text has changed since it was written")
    return found


CHUNK = 4 * 2**20
"""Bytes that each thread holds."""

MOST_THREADS = 8

Job = TypeVar("Job")


def hash_all(
    jobs: Iterable[tuple[Job, Path]], read: Callable[[int], None] = lambda count: None
) -> Iterator[tuple[Job, str | OSError]]:
    """Hash files, several at a time: each job with its sha256, or why its file cannot be read. Jobs
    are taken as they are done; `read` is told of bytes as they are read, from several threads."""
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    left, stop = iter(jobs), Event()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while some := [*islice(left, 4 * threads)]:
                hashes = pool.map(lambda one: _hash(one[1], read, stop), some)
                yield from ((job, found) for (job, _), found in zip(some, hashes, strict=True))
        finally:
            stop.set()  # whoever stops asking does not wait for large files


def _hash(path: Path, read: Callable[[int], None], stop: Event) -> str | OSError:
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while (data := file.read(CHUNK)) and not stop.is_set():
                digest.update(data)
                read(len(data))
    except OSError as error:
        return error
    return digest.hexdigest()


def check_contents(
    kind: str, folders: Mapping[Path, str], count: Counter[str], progress: Callable[[int], None]
) -> dict[Path, list[Finding]]:
    """Read and count all files of sealed folders, given with what they are called in the report:
    what is wrong with each folder, in the order of its files."""
    found: dict[Path, list[Finding]] = defaultdict(list)
    sealed: dict[Path, Mapping[str, Any]] = defaultdict(dict)

    def note(folder: Path, state: State, file: str, what: str, *hashes: str) -> None:
        what = f"{file}{what}"
        found[folder].append(Finding(state, kind, folders[folder], what, "", file, *hashes))

    def files() -> Iterator[tuple[tuple[Path, str], Path]]:
        for folder in folders:
            try:
                listed = sealed[folder] = read_sealed(folder)["files"]
            except UnreadableError as error:
                if folder.exists():
                    note(folder, "damaged", MANIFEST, f": {error}")
                continue
            count["folders"] += 1
            with suppress(FileNotFoundError):  # it is being moved: a second look at the manifest
                for path in list_files(folder):
                    if (name := path.relative_to(folder).as_posix()) not in listed:
                        note(folder, "extra", name, f" is not listed in {MANIFEST}")
            for name, facts in sorted(listed.items()):
                if not (folder / name).is_file():
                    note(folder, "missing", name, " is missing")
                    continue
                count.update(files=1, bytes=int(facts["bytes"]))
                yield (folder, name), folder / name

    for (folder, name), now in hash_all(files(), progress):
        wanted, there = sealed[folder][name], or_none(getsize, folder / name)
        if isinstance(now, OSError):
            note(folder, "damaged", name, f" cannot be read ({now.strerror})", wanted["sha256"])
        elif (now, there) != (wanted["sha256"], wanted["bytes"]):
            # Tells a file that was cut from one whose bytes were changed.
            cut = there not in (wanted["bytes"], None)
            size = f": {there:,} bytes instead of {wanted['bytes']:,}" if cut else ""
            what = f" is not what was written{size}"
            note(folder, "damaged", name, what, wanted["sha256"], now)
    # Looked at twice: a folder may have been away for the first look.
    still = {
        folder: [f for f in noted if not _is_whole(folder / f.file, sealed[folder].get(f.file))]
        for folder, noted in found.items()
    }
    return {folder: sorted(some, key=lambda one: one.file) for folder, some in still.items()}


def _is_whole(path: Path, sealed: Mapping[str, Any] | None) -> bool:
    """Whether a file is what was listed; one that is not listed cannot be."""
    return sealed is not None and (
        (or_none(sha256_file, path), or_none(getsize, path)) == (sealed["sha256"], sealed["bytes"])
    )


QUIET_SECONDS = 2.0
"""What is done before that says nothing."""

PIPED_SECONDS = 30.0
"""Seconds between two lines where nobody watches a terminal."""


class ByteProgress:
    """Counts bytes, from several threads, and says now and then how many are read."""

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
