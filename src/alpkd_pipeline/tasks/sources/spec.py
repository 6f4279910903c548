"""Where the raw data of a task comes from. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from alpkd_pipeline.errors import UserError

SourceKind = Literal["demo", "hub", "folder", "table"]
TrainRowsBy = Literal["first", "stratified"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source of raw splits.

    Attributes:
        kind: `demo` (made up on the spot), `hub` (a Hugging Face data set), `folder` (a local GLUE
            folder) or `table` (files of one's own).
        dataset: hub only: the repository, `owner/name`.
        config: hub only: the configuration of the repository; GLUE tasks know theirs.
        revision: hub only: the commit, 40 hex digits.
        path: folder: the GLUE folder; table: what `files` are relative to.
        files: our split -> file (table), or our split -> the repository's split (hub).
        columns: our column -> the column of the data; columns left out keep their names.
        train_rows: how many rows of train are kept, before dev is cut; all of them when None.
        train_rows_by: the `first` ones, or `stratified`: drawn, of each class its share.
        dev_fraction: the share of train that becomes dev where the data has no dev split.
        seed: decides which rows are drawn for that share, and for `stratified` train rows.
    """

    kind: SourceKind
    dataset: str | None = None
    config: str | None = None
    revision: str | None = None
    path: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    train_rows: int | None = None
    train_rows_by: TrainRowsBy = "first"
    dev_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        words = (
            ("source", self.kind, SourceKind),
            ("train_rows_by", self.train_rows_by, TrainRowsBy),
        )
        for name, value, kinds in words:
            if value not in get_args(kinds):
                allowed = ", ".join(get_args(kinds))
                raise UserError(f"task.{name} '{value}' is unknown; choose one of {allowed}")
        if self.train_rows is not None and self.train_rows < 1:
            raise UserError(
                f"task.train_rows is {self.train_rows}; give 1 or more, or leave it out"
            )
        if not 0 < self.dev_fraction < 1:
            raise UserError(
                f"task.dev_fraction is {self.dev_fraction}; give a share between 0 and 1"
            )

    def folder(self, project: Path) -> Path:
        """`path` as a folder, relative to the project; the project itself when there is none."""
        return project / Path(self.path or "").expanduser()
