"""The reader of a store's folders: what it gives is, to the byte, what was sealed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from os.path import getsize
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import MANIFEST, listed, read_manifest, read_object, sha256_file

RUN_CONFIG = "run.json"
"""Not config.json: that name belongs to Hugging Face in a folder that `from_pretrained` loads."""

METRICS = "metrics.json"
PREDICTIONS = "predictions/"


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of a finished folder that is not what was sealed."""

    folder: Path  # the folder
    file: str  # the file's name in it
    what: str  # how it is, in words
    # the sha256 that was sealed; empty for a manifest, of which nothing else knows it
    expected: str = ""
    found: str = ""  # the sha256 of what is there; empty where that cannot be read

    def __str__(self) -> str:
        return f"{self.folder / self.file} {self.what}"


class DamagedError(UserError):
    """Finished folders whose files are not what was sealed: a line for each file. `repairs` say
    what to do about each; by default the folder is to be deleted and made again."""

    def __init__(self, damages: Iterable[Damage], repairs: Iterable[str] | None = None) -> None:
        self.damages = tuple(dict.fromkeys(damages))
        do = repairs or [f"delete {d.folder} and make it again" for d in self.damages]
        lines = [f"{damage}; {one}" for damage, one in zip(self.damages, do, strict=True)]
        if len(lines) > 1:
            lines.insert(0, f"{len(lines)} files are not what was written:")
        super().__init__("\n".join(lines))


class RunFolder(os.PathLike[str]):
    """A folder of the store. All that is read of it is compared with its manifest first: what is
    damaged raises `DamagedError`, what is not there at all `FileNotFoundError`. A folder that
    another process replaces meanwhile is read as it is then."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._manifest: dict[str, Any] | None = None

    def __fspath__(self) -> str:
        """The path, so that it can be opened and joined like one."""
        return str(self.path)

    @property
    def is_there(self) -> bool:
        """Whether the folder was finished, whatever has become of its files."""
        return (self.path / MANIFEST).is_file()

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the manifest says."""
        while self._manifest is None:
            self._explain(MANIFEST)
        return self._manifest

    @property
    def key(self) -> str:
        """The key that it was sealed with."""
        return str(self.manifest.get("key", ""))

    @property
    def store(self) -> Path:
        """The store that a model lies in, or what was measured of one."""
        return self.path.parents[3]

    @property
    def made_from(self) -> Mapping[str, str]:
        """The keys of what it was made from, by stage."""
        return self.manifest.get("made_from") or {}

    @cached_property
    def run(self) -> dict[str, Any]:
        """What its run.json says of how it was made."""
        return self.json(RUN_CONFIG)

    @property
    def unchecked_run(self) -> Mapping[str, Any]:
        """The same, whether a manifest vouches for it or not; empty if it cannot be read."""
        return read_object(self.path / RUN_CONFIG)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What was measured while it was trained: metrics.json."""
        return self.json(METRICS)

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of everything that it was made from, and its own, as run.json has them."""
        return self.run["identity"].get("keys") or {}

    @property
    def environment(self) -> dict[str, Any]:
        """Hardware, precision, threads and libraries of its training."""
        return dict(self.metrics.get("environment") or {})

    @property
    def provenance(self) -> dict[str, Any]:
        """Commit, lock file, Python and libraries of the process that made it."""
        return dict(self.run.get("provenance") or {})

    def beside(self, place: str) -> Path:
        """The folder of another kind of results for the same task."""
        return self.store / place / self.path.parent.name

    def results(self, place: str) -> list[RunFolder]:
        """The finished results of a model, of one kind, the newest first. Raises DamagedError where
        a manifest does not say any more what it was made from, and the folder is called after the
        model, or nothing else was made from it."""
        folders = finished_below(self.beside(place))
        found, damages = fitting(folders, lambda folder: self.key in folder.made_from.values())
        own = [d for d in damages if d.folder.name.startswith(f"{self.path.name}-")]
        if own or (damages and not found):
            raise DamagedError(own or damages)
        return newest_first(found)

    def newest(self, place: str) -> RunFolder | None:
        """The newest one of `results`, with the same errors; None if there is none."""
        return next(iter(self.results(place)), None)

    def predictions(self, split: str) -> bytes | None:
        """The CSV file of a model's answers on a split; None if there are none of it."""
        name = f"{PREDICTIONS}{split}.csv"
        return self.read(name) if self.has(name) else None

    def has(self, name: str) -> bool:
        """Whether a file was sealed."""
        return name in self.manifest["files"]

    def read(self, name: str) -> bytes:
        """The content of a file."""
        while True:
            sealed = self._sealed(name)["sha256"]
            try:
                data = (self.path / name).read_bytes()
                if hashlib.sha256(data).hexdigest() == sealed:
                    return data
            except OSError:
                pass  # it is missing, or cannot be read
            self._explain(name)

    def json(self, name: str) -> Any:
        """The content of a JSON file; raises ValueError if it was sealed as something else."""
        return json.loads(self.read(name))

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Compare files that are large, or that others read; all of them by default."""
        self._check(names, "sha256", sha256_file)

    def check_sizes(self) -> None:
        """Look whether all files are there with their sizes: what is not read is not hashed."""
        self._check(None, "bytes", getsize)

    def _check(
        self, names: Iterable[str] | None, fact: str, look: Callable[[Path], str | int]
    ) -> None:
        damages: list[Damage] = []
        for name in [*self.manifest["files"]] if names is None else names:
            while self._sealed(name)[fact] != or_none(look, self.path / name):
                try:
                    self._explain(name)
                except DamagedError as error:
                    damages += error.damages
                    break
        if damages:
            raise DamagedError(damages)

    def _sealed(self, name: str) -> Mapping[str, Any]:
        if not self.has(name):
            raise FileNotFoundError(f"{self.path} was finished without {name}")
        return self.manifest["files"][name]

    def _explain(self, name: str) -> None:
        """Raise what is wrong with a file, unless it is whole now, or the folder another one."""
        now = read_manifest(self.path)
        if now is not None and now != self._manifest:
            self._manifest = now
            return
        if not self.is_there:
            raise FileNotFoundError(f"{self.path} is not finished, or gone")
        path = self.path / name
        known = (self._manifest or {"files": {}})["files"].get(name, {})
        expected, sealed, found = known.get("sha256", ""), known.get("bytes", 0), ""
        try:
            found, size = sha256_file(path), path.stat().st_size
            if (found, size) == (expected, sealed):
                return  # it was away for a moment
            length = "" if size == sealed else f" ({size:,} bytes instead of {sealed:,})"
            what = f"is damaged: sha256 {found} instead of {expected}{length}"
        except FileNotFoundError:
            what = f"is missing, sha256 {expected}"
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
        if found and not expected:
            what = f"is no manifest any more: sha256 {found}"
        raise DamagedError([Damage(self.path, name, what, expected, found)])


@contextmanager
def noted(damages: list[Damage]) -> Iterator[None]:
    """A context in which damage is noted, so that one error can name all of it in the end; what is
    removed meanwhile is passed over."""
    with suppress(FileNotFoundError):
        try:
            yield
        except DamagedError as error:
            damages += error.damages


def or_none(look: Callable[[Path], Any], path: Path) -> Any:
    """What a look at a file gives; None if there is no such file, or it cannot be read."""
    try:
        return look(path)
    except OSError:
        return None


def verify(folder: Path) -> None:
    """Compare all files with their hashes; a UserError names those that differ or are missing, or
    says that the folder was never finished."""
    try:
        RunFolder(folder).verify()
    except FileNotFoundError:
        raise UserError(
            f"{folder} has no {MANIFEST}: it was never finished; make it again"
        ) from None


def fitting(
    folders: Iterable[RunFolder], fits: Callable[[RunFolder], bool]
) -> tuple[list[RunFolder], list[Damage]]:
    """The folders that fit, and what is wrong with those that do not tell any more."""
    damages: list[Damage] = []
    found: list[RunFolder] = []
    for folder in folders:
        with noted(damages):
            if fits(folder):
                found.append(folder)
    return found, damages


def with_key(folders: Iterable[RunFolder], digits: str) -> tuple[list[RunFolder], list[Damage]]:
    """The folders whose keys begin so, whatever they are called, and what is wrong with those that
    are called so and do not tell any more."""
    found, damages = fitting(folders, lambda folder: folder.key.startswith(digits))
    return found, [d for d in damages if d.folder.name.endswith(f"-{digits[:8]}")]


def finished_below(place: Path, depth: Literal["*", "*/*"] = "*") -> list[RunFolder]:
    """The finished folders below another one, sorted; none that is at work, or stepped aside."""
    above = [place] if depth == "*" else listed(place)
    found = (path for folder in above for path in listed(folder) if may_be_result(path.name))
    return [RunFolder(path) for path in found if (path / MANIFEST).is_file()]


def input_place(folder: Path, place: str) -> Path:
    """Where an input that a run.json names lies. Folders of a store may be links to other disks,
    and `..` leads up in the store then. The system would go up on the other disk, as it must where
    the run folder itself is a link."""
    found = Path(os.path.abspath(folder / place))
    return found if found.exists() else (folder / place).resolve()


def may_be_result(name: str) -> bool:
    """Whether a folder of this name is not at work, and has not stepped aside."""
    return not name.startswith(".") and not name.endswith(".work")


def newest_first(folders: Iterable[RunFolder]) -> list[RunFolder]:
    """Finished folders by the time at which they were sealed."""
    return sorted(folders, key=lambda folder: written_ns(folder.path), reverse=True)


def written_ns(folder: Path) -> int:
    """When a folder was sealed, in nanoseconds since 1970; 0 if it is gone."""
    try:
        return (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0
