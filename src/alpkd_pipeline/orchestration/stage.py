"""A stage of a cell: what it is called, what it depends on, where its result lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.by_key import find_result

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
