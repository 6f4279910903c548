"""What may lie in a store, and where: published folders, work in progress, left-overs.

No other file knows the names of a store's folders.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS
from alpkd_pipeline.store.manifest import MANIFEST, listed, lock_file, read_json, read_manifest
from alpkd_pipeline.store.run_folder import RUN_CONFIG

State = Literal["published", "unsealed", "work", "aside", "left over"]

GLUE_FOLDER = "data/01_raw/glue"
"""Where a project keeps GLUE's own files, unless the environment names another place."""

SPLITS = "02_intermediate/splits"
ENCODED = "05_model_input/encoded"
SIGNALS = "05_model_input/signals"
TEACHERS = "06_models/teachers"
STUDENTS = "06_models/students"
SCORES = ("07_model_output/scores", "07_model_output/evaluation")
"""Folders with scores.json; both hold the same dev scores, the second all splits and metrics."""
ONNX, EXPORTS = "06_models/onnx", "06_models/exports"
LATENCY = "07_model_output/latency"
GEOMETRY = "07_model_output/geometry"
COMPARISONS = "08_reporting/comparison"

SWEEPS = "08_reporting/sweeps"
SEARCHES = "08_reporting/searches"
RECORDS = (SWEEPS, SEARCHES)
"""Folders of JSON records; nothing keeps a hash of them."""

RERUN_REPORTS = "08_reporting/reruns"
RERUNS = "09_reruns"
"""Stores of reruns lie below it, each a whole store of its own."""

COMMIT = "commit-"
"""Begins the name of the store, in the folder of a rerun, of what a recorded commit made."""

CACHE = ".cache"
"""Remembered hashes."""

PRUNED = ".pruned"
"""Ends the name of what is on its way out: nothing needs it any more."""

_KEYED = re.compile(r"(?:^|-)([0-9a-f]{8})$")
_ASIDE = re.compile(r"^\.(?P<final>.+)\.[0-9a-f]{32}(?P<end>\.old|\.pruned)$")
_UNDER_ANOTHER_NAME = re.compile(r"^\.(making-\d+|.+\.\d+\.tmp)$")


@dataclass(frozen=True, slots=True)
class ArtifactType:
    """One kind of result."""

    name: str  # what people call it
    place: str  # its folder below the store; results lie in a folder for each task there
    stages: tuple[str, ...]  # what their manifests may call them
    files: tuple[str, ...]  # what a finished folder holds at least; patterns of names


def _measured(name: str, place: str, *files: str) -> ArtifactType:
    return ArtifactType(name, place, (f"teacher_{name}", f"student_{name}"), ("run.json", *files))


COMPARISON = "comparison"
COMPARED = "compared"
"""Entry of a comparison's run.json: the key of what it was made from, taken before it was read."""
PAGES = ("report.html", "comparison.md")
"""What people open of a comparison, the best one first."""

_MODEL = ("run.json", "config.json", "metrics.json", "*.safetensors")

ARTIFACT_TYPES = (
    ArtifactType("splits", SPLITS, ("splits",), ("report.json", "train.parquet")),
    ArtifactType("encoded", ENCODED, ("encoded",), ("report.json", "train.arrow")),
    ArtifactType("signals", SIGNALS, ("signals",), ("run.json", "signals.json")),
    ArtifactType("teacher", TEACHERS, ("teacher",), _MODEL),
    ArtifactType("student", STUDENTS, ("student",), _MODEL),
    _measured("scores", SCORES[0], "scores.json"),
    _measured("evaluation", SCORES[1], "scores.json", "size.json"),
    _measured("latency", LATENCY, "latency.json"),
    _measured("onnx", ONNX, "onnx.json", "onnx/model.onnx"),
    _measured("export", EXPORTS, "export.json", "gate.json", "speed.json", "README.md"),
    ArtifactType("geometry", GEOMETRY, ("student_geometry",), ("run.json", "geometry.json")),
    ArtifactType(
        COMPARISON, COMPARISONS, ("comparison",), ("run.json", "report.html", "comparison.json")
    ),
)

PLACES = {stage: kind.place for kind in ARTIFACT_TYPES for stage in kind.stages}
"""Stage -> the folder of its results."""

FILES = {stage: kind.files for kind in ARTIFACT_TYPES for stage in kind.stages}
"""Stage -> what a finished folder holds at least."""

DATA = ("splits", "encoded", "signals")
MODELS = ("teacher", "student")
MEASURED = ("scores", "evaluation", "latency", "onnx", "export", "geometry")


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a store."""

    kind: ArtifactType  # what it is, or is to become
    path: Path  # where
    # `published`: it has a manifest. `unsealed`: it looks like a result, and has none. `work`: a
    # stage works there or was interrupted. `aside`: an older result that gave way to a newer one.
    # `left over`: files that a killed process left half written, and checkpoints of what is
    # finished
    state: State
    final: Path  # the folder of the result

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
    for kind in ARTIFACT_TYPES:
        place = store / kind.place
        tasks = _folders(place)
        if kind.name == COMPARISON:
            tasks, work = [place], place.with_name(f"{place.name}.work")
            if work.is_dir():
                yield Entry(kind, work, "work", place)
        for entry in (_entry(path, kind) for task in tasks for path in listed(task)):
            if entry is not None:
                yield entry
                yield from _left_inside(entry)


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


def _entry(path: Path, kind: ArtifactType) -> Entry | None:
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
    if entry.state in ("aside", "left over"):
        return iter(())
    steps = (CHECKPOINTS, BEST) if entry.state == "published" else ()
    left = [path for name in steps if (path := entry.path / name).is_dir()]
    left += [path for path in inside(entry.path) if _UNDER_ANOTHER_NAME.match(path.name)]
    return (Entry(entry.kind, path, "left over", entry.final) for path in left)


def store_folder(project: Path, given: str) -> Path:
    """The folder of all results, as the parameter `run.store` gives it; folders in it may be links,
    to another disk for instance. Raises UserError where it, or a folder in it where results belong,
    is a link that leads to no folder, or a file, and where its path is not text."""
    path = project / Path(given).expanduser()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{path}: the name of a folder is not UTF-8; rename it") from None
    for folder in (*reversed(path.parents), path):
        _check_folder(folder)
    store = path.resolve()
    places = [store / kind.place for kind in ARTIFACT_TYPES]
    for folder in (store / CACHE, store / RERUNS, *(p.parent for p in places), *places):
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


log = logging.getLogger(__name__)

Record = Mapping[str, Any]


def sweep_records(store: Path) -> list[Record]:
    """The records of all sweeps, the oldest first."""
    return _records(store / SWEEPS, "cells")


def search_records(store: Path) -> list[Record]:
    """The records of all searches for hyper-parameters, the oldest first."""
    return _records(store / SEARCHES, "studies")


def experiment_keys(records: Iterable[Record]) -> frozenset[str]:
    """The keys of the students that sweeps asked for."""
    return frozenset(str(experiment["key"]) for record in records for experiment in record["cells"])


def chosen_sweep(records: Sequence[Record], asked: str) -> Record:
    """The one sweep that is meant by an id, the beginning of one, or `latest` for the one that
    was started last; or UserError."""
    if asked == "latest" and records:
        return records[-1]
    known = {str(record["id"]): record for record in records}
    fitting = [asked] if asked in known else [name for name in known if name.startswith(asked)]
    if len(fitting) == 1:
        return known[fitting[0]]
    problem = "no sweep is called so" if not fitting else f"that fits {', '.join(fitting)}"
    there = f"there are {', '.join(known)}" if known else "the store has no sweep yet"
    raise UserError(f"parameter 'compare.sweep' = '{asked}': {problem}; {there}")


def _records(folder: Path, content: str) -> list[Record]:
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = read_json(path)
            found.append({**record, "id": record.get("id", path.stem), content: record[content]})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s is left out, it cannot be read: %r", path, error)
    return sorted(found, key=lambda record: (str(record.get("started")), str(record["id"])))
