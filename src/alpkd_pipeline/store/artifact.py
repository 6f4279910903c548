"""A result of an experiment as steps hand it on: what it is, where it lies, whether it is there."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.by_key import find_result
from alpkd_pipeline.store.layout import FILES
from alpkd_pipeline.store.manifest import read_manifest
from alpkd_pipeline.store.run_folder import RunFolder

ORDER = "order"
"""Entry of a manifest: the time of the order by which the result was made again."""


@dataclass(frozen=True, eq=False, repr=False)
class Artifact(os.PathLike[str]):
    """A folder that is known by the key of its contents, whatever it is called.

    Making one touches nothing; it looks each time that it is asked. It is accepted wherever a path
    is.
    """

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
        if found is None or self.order is None:
            return found is not None
        return (read_manifest(found) or {}).get(ORDER) == self.order

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
class Experiment:
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

    def wanting(self, names: set[str]) -> Experiment:
        """The same, in which only some results are wanted."""
        found = {n: replace(a, wanted=n in names) for n, a in self.artifacts.items()}
        return replace(self, artifacts=found)
