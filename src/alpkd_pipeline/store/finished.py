"""The reader of finished folders: what it gives is, to the byte, what was sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os.path import getsize
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import MANIFEST, listed, read_manifest, sha256_file


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of a finished folder that is not what was sealed.

    Attributes:
        folder: the folder.
        file: the file's name in it.
        what: how it is, in words.
        expected: the sha256 that was sealed; empty for a manifest, of which nothing else knows it.
        found: the sha256 of what is there; empty where that cannot be read.
    """

    folder: Path
    file: str
    what: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        return f"{self.folder / self.file} {self.what}"


class DamagedError(UserError):
    """Finished folders whose files are not what was sealed: a line for each file.

    Args:
        damages: at least one.
        repairs: what to do about each; None: the folder is to be deleted and made again.
    """

    def __init__(self, damages: Iterable[Damage], repairs: Iterable[str] | None = None) -> None:
        self.damages = tuple(dict.fromkeys(damages))
        do = repairs or [f"delete {d.folder} and make it again" for d in self.damages]
        lines = [f"{damage}; {one}" for damage, one in zip(self.damages, do, strict=True)]
        if len(lines) > 1:
            lines.insert(0, f"{len(lines)} files are not what was written:")
        super().__init__("\n".join(lines))


class FinishedFolder:
    """A folder with a manifest. All that is read of it is compared with the manifest first.

    What is damaged raises `DamagedError`, what is not there at all `FileNotFoundError`. A folder
    that another process replaces meanwhile is read as it is then.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._manifest: dict[str, Any] | None = None

    @property
    def is_there(self) -> bool:
        """Whether the folder was finished, whatever has become of its files."""
        return (self.path / MANIFEST).is_file()

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the manifest says."""
        if self._manifest is None:
            self._manifest = read_manifest(self.path)
        if self._manifest is None:
            raise DamagedError([self._damage(MANIFEST)])
        return self._manifest

    @property
    def key(self) -> str:
        """The key that it was sealed with."""
        return str(self.manifest.get("key", ""))

    @property
    def made_from(self) -> Mapping[str, str]:
        """The keys of what it was made from, by stage."""
        return self.manifest.get("made_from") or {}

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
        """The content of a JSON file.

        Raises:
            ValueError: it was sealed as something else.
        """
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
            while self._sealed(name)[fact] != _or_none(look, self.path / name):
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
        found: Mapping[str, Any] = self.manifest["files"][name]
        return found

    def _explain(self, name: str) -> None:
        """Say what is wrong with a file, unless it is whole now, or the folder another one."""
        now = read_manifest(self.path)
        if now is not None and now != self._manifest:
            self._manifest = now
            return
        damage = self._damage(name)
        if damage.found and damage.found == damage.expected and self._has_its_size(name):
            return  # it was away for a moment
        raise DamagedError([damage])

    def _has_its_size(self, name: str) -> bool:
        return bool(self.manifest["files"][name]["bytes"] == _or_none(getsize, self.path / name))

    def _damage(self, name: str) -> Damage:
        if not self.is_there:
            raise FileNotFoundError(f"{self.path} is not finished, or gone")
        path = self.path / name
        known = (self._manifest or {"files": {}})["files"].get(name, {})
        expected = str(known.get("sha256", ""))
        try:
            found = sha256_file(path)
        except FileNotFoundError:
            return Damage(self.path, name, f"is missing, sha256 {expected}", expected)
        except OSError as error:
            return Damage(self.path, name, f"cannot be read ({error.strerror})", expected)
        if not expected:
            return Damage(self.path, name, f"is no manifest any more: sha256 {found}", "", found)
        size, sealed = path.stat().st_size, known["bytes"]
        length = "" if size == sealed else f" ({size:,} bytes instead of {sealed:,})"
        what = f"is damaged: sha256 {found} instead of {expected}{length}"
        return Damage(self.path, name, what, expected, found)


@contextmanager
def noted(damages: list[Damage]) -> Iterator[None]:
    """A context in which damage is noted, so that one error can name all of it in the end.

    What is removed meanwhile is passed over.
    """
    try:
        yield
    except DamagedError as error:
        damages += error.damages
    except FileNotFoundError:
        pass


def _or_none(look: Callable[[Path], Any], path: Path) -> Any:
    """What a look at a file gives; None if there is no such file, or it cannot be read."""
    try:
        return look(path)
    except OSError:
        return None


def verify(folder: Path) -> None:
    """Compare all files of a folder with their recorded hashes.

    Raises:
        UserError: names the files that are missing or differ; or there is no such folder.
    """
    try:
        FinishedFolder(folder).verify()
    except FileNotFoundError:
        raise UserError(
            f"{folder} has no {MANIFEST}: it was never finished; make it again"
        ) from None


def results_of(place: Path, model: FinishedFolder) -> list[FinishedFolder]:
    """The finished results of a model, the newest first.

    Args:
        place: a folder of results of one kind and task.
        model: the model's folder.

    Raises:
        DamagedError: a manifest does not say any more what it was made from, and the folder is
            called after the model, or nothing else was made from it.
    """
    found: list[FinishedFolder] = []
    damages: list[Damage] = []
    for folder in finished_below(place):
        with noted(damages):
            if model.key in folder.made_from.values():
                found.append(folder)
    own = [d for d in damages if d.folder.name.startswith(f"{model.path.name}-")]
    if own or (damages and not found):
        raise DamagedError(own or damages)
    return newest_first(found)


def finished_below(place: Path, depth: Literal["*", "*/*"] = "*") -> list[FinishedFolder]:
    """The finished folders below another one; none that is at work, or stepped aside.

    Args:
        place: the folder.
        depth: where they lie in it.
    """
    found = published(place) if depth == "*/*" else published_in(place)
    return [FinishedFolder(folder) for folder in found]


def published(place: Path) -> list[Path]:
    """The folders with a manifest below a task's folder, `<place>/<task>/<folder>`, sorted."""
    return [folder for task in listed(place) for folder in published_in(task)]


def published_in(task: Path) -> list[Path]:
    """The folders with a manifest in a folder, sorted."""
    found = (path for path in listed(task) if may_be_result(path.name))
    return [path for path in found if (path / MANIFEST).is_file()]


def may_be_result(name: str) -> bool:
    """Whether a folder of this name is not at work, and has not stepped aside."""
    return not name.startswith(".") and not name.endswith(".work")


def newest_first(folders: Iterable[FinishedFolder]) -> list[FinishedFolder]:
    """Finished folders by the time at which they were sealed."""
    return sorted(folders, key=lambda folder: written_ns(folder.path), reverse=True)


def written_ns(folder: Path) -> int:
    """When a folder was sealed, in nanoseconds since 1970; 0 if it is gone."""
    try:
        return (folder / MANIFEST).stat().st_mtime_ns
    except OSError:
        return 0
