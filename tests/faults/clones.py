"""A store in which one student stands many times, so that one command meets many damaged files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.store.manifest import (
    MANIFEST,
    OWN_DIGEST,
    read_json,
    read_manifest,
    seal,
    sha256_file,
    write_json,
)

STUDENT = "06_models/students/demo"
RESULTS = (
    "07_model_output/scores/demo",
    "07_model_output/evaluation/demo",
    "07_model_output/latency/demo",
    "07_model_output/geometry/demo",
)
SIGNALS = "05_model_input/signals/demo"


@dataclass(frozen=True, slots=True)
class Hit:
    """One file that is damaged.

    Attributes:
        folder: the finished folder.
        file: its name there.
        after: what it is to hold.
    """

    folder: Path
    file: str
    after: bytes

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.file


@contextmanager
def damaged(hits: Sequence[Hit]) -> Iterator[None]:
    """Files that are damaged for a moment."""
    before = [hit.path.read_bytes() for hit in hits]
    try:
        for hit in hits:
            _put(hit.path, hit.after)
        yield
    finally:
        for hit, data in zip(hits, before, strict=True):
            _put(hit.path, data)


def _put(path: Path, data: bytes) -> None:
    # A new file: the old one may be a second name of another.
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def unnamed(hit: Hit, said: str) -> str:
    """What a command's output lacks about a file that is damaged now; nothing if it names it.

    A manifest that says the same as before counts as whole: a line's end was cut off.
    """
    manifest = read_manifest(hit.folder)
    if hit.file == MANIFEST and manifest is not None:
        return ""
    wanted = [hit.file, sha256_file(hit.path)]
    if hit.file != MANIFEST:
        wanted.append((manifest or {"files": {}})["files"][hit.file]["sha256"])
    lines = [line for line in said.splitlines() if all(text in line for text in wanted)]
    return "" if lines else f"{hit.file} of {hit.folder.name} is not named with its hashes"


def clone_students(store: Path, number: int) -> None:
    """Copies of the store's student under other keys, each with results and signals of its own."""
    (student,) = (m.parent for m in (store / STUDENT).glob(f"*/{MANIFEST}"))
    (signals,) = (m.parent for m in (store / SIGNALS).glob(f"*/{MANIFEST}"))
    run = read_json(student / "run.json")
    results = [next((store / place).glob(f"{student.name}-*")) for place in RESULTS]
    for n in range(1, number):
        digits = f"{n:08x}"
        key, cache = digits + run["identity"]["key"][8:], digits + "5" * 56
        keys = {**run["identity"]["keys"], "student": key, "signals": cache}
        own = _copy(signals, signals.name[:-8] + digits)
        _seal(own, {"key": cache})
        own = _copy(student, student.name[:-8] + digits)
        identity = {**run["identity"], "key": key, "keys": keys}
        params = {**run["params"], "seed": n}
        write_json(own / "run.json", {**run, "identity": identity, "params": params})
        _seal(own, {"key": key})
        for result in results:
            copied = _copy(result, f"{own.name}-{digits}")
            made_from = (read_manifest(copied) or {})["made_from"]
            _seal(copied, {"key": digits + "c" * 56, "made_from": {**made_from, "student": key}})


def _copy(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder, folder.with_name(name), copy_function=os.link))


def _seal(folder: Path, facts: dict[str, object]) -> None:
    before = read_manifest(folder) or {}
    seal(folder, {k: v for k, v in before.items() if k not in ("files", OWN_DIGEST)} | facts)
