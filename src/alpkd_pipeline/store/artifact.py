"""A result of an experiment as steps hand it on: what it is, where it lies, whether it is there.

One model may be known by two names, and people rename and copy folders: only the key, which the
manifest holds, says what a result is.
"""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.event_log import EVENT_LOG
from alpkd_pipeline.store.layout import FILES, STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import MANIFEST, is_complete, read_manifest, read_object
from alpkd_pipeline.store.run_folder import (
    RUN_CONFIG,
    DamagedError,
    RunFolder,
    finished_below,
    may_be_result,
    with_key,
)

ORDER = "order"
"""Entry of a manifest: the time of the order by which the result was made again."""


@dataclass(frozen=True, eq=False, repr=False)
class Artifact(os.PathLike[str]):
    """A folder that is known by the key of its contents, whatever it is called. Making one touches
    nothing; it looks each time that it is asked. It is accepted wherever a path is."""

    name: str  # its dataset in the catalog, which is also its stage
    key: str  # the hash of all that it depends on
    # where it lies unless somebody renamed it, and where it is published; the name ends with the
    # key's first 8 digits
    expected: Path
    # the keys of the results that it is made from, by name
    made_from: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)  # what its run.json says
    used: bool = True  # False if this experiment does without it
    # the time of the command that wants it made again; None: it is used as it is
    order: float | None = None
    wanted: bool = True  # False if the command that runs leaves it alone: nobody reads it

    @property
    def found(self) -> Path | None:
        """Where it lies; None if it is not there."""
        return find_result(self.expected, self.key)

    @property
    def path(self) -> Path:
        """Where it lies, or else where it is expected."""
        return self.found or self.expected

    @property
    def work(self) -> Path:
        """The folder in which it is made, renamed when it is finished."""
        return self.expected.with_name(f"{self.expected.name}.work")

    def __repr__(self) -> str:
        """What people see of it in a notebook: what it is, where, and whether it is there."""
        return f"<{self.name} {self.path}{'' if self.found else ', not made yet'}>"

    def __fspath__(self) -> str:
        """The path, so that it can be opened and joined like one."""
        return str(self.path)

    @property
    def is_made(self) -> bool:
        """Whether there is nothing to make."""
        if not self.used:
            return True
        found = self.found
        return found is not None and (
            self.order is None or (read_manifest(found) or {}).get(ORDER) == self.order
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What its manifest says beside its files."""
        order = {} if self.order is None else {ORDER: self.order}
        return {"stage": self.name, "key": self.key, "made_from": dict(self.made_from), **order}

    @property
    def folder(self) -> RunFolder:
        """Its reader; raises UserError where it is not there."""
        found = self.found
        if found is None:
            raise UserError(f"there is no {self.name} of these parameters yet ({self.expected})")
        return RunFolder(found)


def lacking(stage: str, files: Iterable[str]) -> list[str]:
    """Which files that a folder of a stage must hold are not among its files."""
    return [need for need in FILES.get(stage, ()) if not fnmatch.filter(files, need)]


@dataclass(frozen=True, eq=False)
class ResolvedExperiment:
    """All that a step knows beside its inputs: small, plain, picklable."""

    artifacts: Mapping[str, Artifact]  # every result that the parameters define, by name
    params: Mapping[str, Any]  # the parameters with the names that users write
    project: Path  # the project's root
    store: Path  # the folder of all results
    # what a tuned preset sets of the student, and how it was found; None: nothing
    preset: str | None = None
    title: str | None = None  # what the student is called on the terminal then

    def __getitem__(self, name: str) -> Artifact:
        """A result by its name."""
        return self.artifacts[name]

    def param(self, name: str) -> Any:
        """A parameter by its dotted name."""
        found: Any = self.params
        for part in name.split("."):
            found = found[part]
        return found

    @property
    def wants(self) -> set[str]:
        """The results that are wanted."""
        return {name for name, artifact in self.artifacts.items() if artifact.wanted}

    def wanting(self, names: set[str]) -> ResolvedExperiment:
        """The same, in which only some results are wanted."""
        found = {n: replace(a, wanted=n in names) for n, a in self.artifacts.items()}
        return replace(self, artifacts=found)


MADE = (RUN_CONFIG, EVENT_LOG, "metrics.json", "latency.json")
"""Files that say how a result was made: by names and times they differ from making to making."""

UNSURE_NS = 100_000_000
"""A folder whose last change is younger may change again without its time showing it."""


def find_result(expected: Path, key: str) -> Path | None:
    """The folder of a finished result; None if there is none.

    The expected folder is looked at first, then those whose names end with the key's first
    digits. Only then the manifests of all others beside them are read, once in a process.
    """
    return expected if is_complete(expected, key) else find_in(expected.parent, key)


def find_in(place: Path, key: str) -> Path | None:
    """The folder of a finished result in a place; None if there is none."""
    folders = _PLACES.setdefault(place, _Place(place)).candidates(key)
    return next((folder for folder in folders if is_complete(folder, key)), None)


def find_run(store: Path, text: str) -> Path:
    """The run folder that a user means by the first 8 or more digits of a run's key, the name of
    its folder, or a path to it; UserError where there is none or several, or where it is not
    finished, or damaged."""
    path = Path(text).expanduser()
    found = (
        [Path(os.path.abspath(path))] if (path / RUN_CONFIG).is_file() else _in_store(store, text)
    )
    if not found:
        raise UserError(
            f"no run '{text}' in {store}: give 8 or more digits of its key, the name of its folder"
            " or the path to it"
        )
    if len(found) > 1:
        names = ", ".join(folder.name for folder in found)
        raise UserError(f"'{text}' may mean {names}: give more digits of the key, or the path")
    folder = RunFolder(found[0])
    if not folder.is_there:
        raise UserError(f"{folder.path} is not finished: `kedro run` with its parameters goes on")
    folder.check_sizes()
    return folder.path


def _in_store(store: Path, text: str) -> list[Path]:
    places = [store / STUDENTS, store / TEACHERS]
    if re.fullmatch(r"[0-9a-f]{8,64}", text):
        folders = (f for place in places for f in finished_below(place, "*/*"))
        found, damages = with_key(folders, text)
        if damages:
            raise DamagedError(damages)
        by_key: dict[str, Path] = {}
        for folder in found:
            by_key.setdefault(folder.key, folder.path)
        return [*by_key.values()]
    if "/" in text or text.startswith("."):
        return []
    return sorted(f for place in places for f in place.glob("*/*") if f.name == text)


def free_place(expected: Path, key: str) -> Path:
    """Where a result may be published: at its expected path, unless another one lies there."""
    end, number, path = f"-{key[:8]}", 1, expected
    while (read_manifest(path) or {}).get("key", key) != key:
        number += 1
        path = expected.with_name(f"{expected.name.removesuffix(end)}-{number}{end}")
    return path


def same_result(one: Path, other: Path) -> bool:
    """Whether two folders of one key hold the same, but for how it was made; one that is gone, or
    whose manifest does not hold, contradicts nothing."""
    said = [
        {name: file["sha256"] for name, file in found["files"].items() if name not in MADE}
        for found in map(read_manifest, (one, other))
        if found
    ]
    return len(said) < 2 or said[0] == said[1]


class _Place:
    """What lies in a place: listed again when it changes, each manifest read once and at need."""

    def __init__(self, path: Path) -> None:
        self._path, self._stamp = path, -1
        # By name and inode, which changes when a folder is replaced; empty: not known yet.
        self._keys: dict[tuple[str, int], str] = {}
        self._by_end: dict[str, list[str]] = {}
        self._by_key: dict[str, list[str]] | None = None

    def candidates(self, key: str) -> Iterator[Path]:
        """Folders that may hold the result of a key, the likely ones first."""
        self._list()
        yield from (self._path / name for name in self._by_end.get(key[:8], ()))
        yield from (self._path / name for name in self._index().get(key, ()))

    def _list(self) -> None:
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            with os.scandir(self._path) as found:
                entries = [
                    (e.name, e.inode()) for e in found if may_be_result(e.name) and e.is_dir()
                ]
        except OSError:
            stamp, entries = -1, []
        self._keys = {entry: self._keys.get(entry, "") for entry in sorted(entries)}
        self._by_key, self._by_end = None, defaultdict(list)
        for name, _ in self._keys:
            self._by_end[name[-8:]].append(name)
        self._stamp = stamp if time.time_ns() - stamp > UNSURE_NS else -1

    def _index(self) -> dict[str, list[str]]:
        if self._by_key is None:
            by_key: dict[str, list[str]] = defaultdict(list)
            for (name, inode), key in self._keys.items():
                if not key:  # none yet: it may be a copy that is being made
                    said = read_object(self._path / name / MANIFEST)
                    key = self._keys[name, inode] = str(said.get("key", ""))
                by_key[key].append(name)
            if "" in by_key:
                return by_key
            self._by_key = by_key
        return self._by_key


_PLACES: dict[Path, _Place] = {}
