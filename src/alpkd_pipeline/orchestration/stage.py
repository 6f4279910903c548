"""A stage of a cell: what it is called, what it depends on, where its result lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.by_key import find_result
from alpkd_pipeline.store.layout import KINDS, RERUNS

FORCE = "force"
"""The runtime parameter by which an order to make stages again reaches the steps."""

FORCE_NAMES = ("data_prep", "finetune_teacher", "signals", "distill", "evaluate", "compare")
"""The stages as users name them for `--force`; nodes carry them as tags."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One result of a cell.

    Attributes:
        name: the name of its dataset in the catalog.
        key: the hash of everything that the result depends on.
        path: the folder in which the result is expected; its name ends with the key's first 8
            digits.
        made_from: the keys of the results that it was made from, by stage name.
    """

    name: str
    key: str
    path: Path
    made_from: dict[str, str]

    @property
    def found(self) -> Path | None:
        """Where the finished result lies, whatever its folder is called; None if it is not there.

        It is looked for each time.
        """
        return find_result(self.path, self.key)

    @property
    def folder(self) -> Path:
        """Where the finished result lies, or else where it is expected."""
        return self.found or self.path

    @property
    def work(self) -> Path:
        """The folder in which the result is made, renamed when it is finished."""
        return self.path.with_name(f"{self.path.name}.work")


def parse_force(text: str) -> tuple[str, ...]:
    """The stages to make again.

    Raises:
        UserError: names the unknown stage and the known ones.
    """
    names = tuple(part for part in text.replace(",", "+").split("+") if part)
    if names == ("all",):
        return FORCE_NAMES
    for name in names:
        if name not in FORCE_NAMES:
            raise UserError(
                f"--force {name}: unknown stage; use {', '.join(FORCE_NAMES)}, several joined by +,"
                " or all"
            )
    return names


Found = TypeVar("Found")


class SharedFacts:
    """A memory for facts that hold as long as no file changes.

    Every `Cell` has one of its own, so that it sees the files as they are; the cells of a grid
    share one, so that 2,000 cells are planned with one look at each file.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def once(self, what: Hashable, find: Callable[[], Found]) -> Found:
        """The fact of a name, found out the first time that it is asked for.

        Args:
            what: a name that holds everything that the fact depends on but the files.
            find: finds it out; an exception is remembered by nobody.
        """
        if what not in self._known:
            self._known[what] = find()
        known: Found = self._known[what]
        return known


def store_folder(project: Path, given: str) -> Path:
    """The folder of all results. Folders in it may be links, to another disk for instance.

    Args:
        project: where relative paths start.
        given: the parameter `run.store`.

    Raises:
        UserError: it, or a folder in it where results belong, is a link that leads to no folder,
            or a file; or its path is not text.
    """
    path = project / Path(given).expanduser()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{path}: the name of a folder is not UTF-8; rename it") from None
    for folder in (*reversed(path.parents), path):
        _check_folder(folder)
    store = path.resolve()
    inside = [(store / kind.place).parent for kind in KINDS]
    for folder in (store / ".cache", store / RERUNS, *inside, *(store / k.place for k in KINDS)):
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
