"""What may lie in a store, and where: published folders, work in progress, left-overs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS
from alpkd_pipeline.store.manifest import MANIFEST, listed, lock_file, read_manifest
from alpkd_pipeline.store.run_folder import RUN_CONFIG

State = Literal["published", "unsealed", "work", "aside", "left over"]

RERUNS = "09_reruns"
"""Stores of reruns lie below it, each a whole store of its own."""

COMMIT = "commit-"
"""Begins the name of the store, in the folder of a rerun, of what a recorded commit made."""

RECORDS = ("08_reporting/sweeps", "08_reporting/searches")
"""Folders of JSON records; nothing keeps a hash of them."""

PRUNED = ".pruned"
"""Ends the name of what is on its way out: nothing needs it any more."""

_KEYED = re.compile(r"(?:^|-)([0-9a-f]{8})$")
_ASIDE = re.compile(r"^\.(?P<final>.+)\.[0-9a-f]{32}(?P<end>\.old|\.pruned)$")
_UNDER_ANOTHER_NAME = re.compile(r"^\.(making-\d+|.+\.\d+\.tmp)$")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of result.

    Attributes:
        name: what people call it.
        place: its folder below the store; results lie in a folder for each task there.
        stages: what their manifests may call them.
    """

    name: str
    place: str
    stages: tuple[str, ...]


COMPARISON = "comparison"

KINDS = (
    Kind("splits", "02_intermediate/splits", ("splits",)),
    Kind("encoded", "05_model_input/encoded", ("encoded",)),
    Kind("signals", "05_model_input/signals", ("signals",)),
    Kind("teacher", "06_models/teachers", ("teacher",)),
    Kind("student", "06_models/students", ("student",)),
    Kind("scores", "07_model_output/scores", ("teacher_scores", "student_scores")),
    Kind("evaluation", "07_model_output/evaluation", ("teacher_evaluation", "student_evaluation")),
    Kind("latency", "07_model_output/latency", ("teacher_latency", "student_latency")),
    Kind("geometry", "07_model_output/geometry", ("student_geometry",)),
    Kind(COMPARISON, "08_reporting/comparison", ("comparison",)),
)

DATA = ("splits", "encoded", "signals")
MODELS = ("teacher", "student")
MEASURED = ("scores", "evaluation", "latency", "geometry")


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a store.

    Attributes:
        kind: what it is, or is to become.
        path: where.
        state: `published`: it has a manifest. `unsealed`: it looks like a result, and has none.
            `work`: a stage works there or was interrupted. `aside`: an older result that gave way
            to a newer one. `left over`: files that a killed process left half written, and
            checkpoints of what is finished.
        final: the folder of the result.
    """

    kind: Kind
    path: Path
    state: State
    final: Path

    @property
    def key8(self) -> str | None:
        """The key's first digits, as the folder's name has them."""
        found = _KEYED.search(self.final.name)
        return found.group(1) if found else None

    @property
    def lock(self) -> Path:
        """The lock of whoever makes it."""
        key = (read_manifest(self.final) or {}).get("key") or self.key8
        return lock_file(self.final, str(key or ""))


def entries(store: Path) -> Iterator[Entry]:
    """Everything in the places of results, in the order of the kinds and the paths."""
    for kind in KINDS:
        place = store / kind.place
        if kind.name == COMPARISON:
            work = place.with_name(f"{place.name}.work")
            if work.is_dir():
                yield Entry(kind, work, "work", place)
            yield from _below(place, kind)
        else:
            for task in _folders(place):
                yield from _below(task, kind)


def reruns(store: Path) -> list[Path]:
    """The folders of reruns, each with a lock of its name; each is a store too."""
    return [path for path in _folders(store / RERUNS) if not path.name.startswith(".")]


def stores_of(rerun: Path) -> list[Path]:
    """The stores of a rerun: its folder, and one inside it for each commit that it ran."""
    return [rerun, *(path for path in _folders(rerun) if path.name.startswith(COMMIT))]


def _folders(place: Path) -> list[Path]:
    return [path for path in listed(place) if path.is_dir()]


def inside(folder: Path) -> list[Path]:
    """Everything below a folder, sorted; what goes away meanwhile is left out."""
    found = ((Path(at), name) for at, *both in os.walk(folder) for names in both for name in names)
    return sorted(at / name for at, name in found)


def _below(place: Path, kind: Kind) -> Iterator[Entry]:
    for path in listed(place):
        entry = _entry(path, kind)
        if entry is not None:
            yield entry
        if entry is not None and entry.state not in ("aside", "left over"):
            yield from _left_inside(entry)


def _entry(path: Path, kind: Kind) -> Entry | None:
    aside = _ASIDE.match(path.name)
    if aside:
        state: State = "left over" if aside["end"] == PRUNED else "aside"
        return Entry(kind, path, state, path.with_name(aside["final"]))
    if not path.is_dir() or path.name.startswith("."):
        return None
    if path.suffix == ".work":
        return Entry(kind, path, "work", path.with_suffix(""))
    if (path / MANIFEST).is_file():
        return Entry(kind, path, "published", path)
    made_here = _KEYED.search(path.name) or (path / RUN_CONFIG).is_file()
    return Entry(kind, path, "unsealed", path) if made_here else None


def _left_inside(entry: Entry) -> Iterator[Entry]:
    """What a killed process left inside a folder."""
    if entry.state == "published":
        for name in (CHECKPOINTS, BEST):
            if (entry.path / name).is_dir():
                yield Entry(entry.kind, entry.path / name, "left over", entry.final)
    for path in inside(entry.path):
        if _UNDER_ANOTHER_NAME.match(path.name):
            yield Entry(entry.kind, path, "left over", entry.final)
