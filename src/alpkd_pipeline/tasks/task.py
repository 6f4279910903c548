"""What a task is: its columns, labels, splits and metrics. Plain values, standard library only."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

TaskKind = Literal["classification", "regression"]

HIDDEN_LABEL = -1  # what GLUE gives to rows whose label is kept secret (test splits)

UNLABELLED = "unlabelled"
"""The split of train rows without a label, until they join train (`validate.write_splits`)."""


@dataclass(frozen=True, slots=True)
class Task:
    """A sentence or sentence-pair task."""

    name: str  # what users call it, also a folder name (`rte`)
    kind: TaskKind  # `classification` (labels 0..C-1) or `regression` (labels are real numbers)
    text_columns: tuple[str, ...]  # one or two, in the order in which the encoder is fed them
    label_names: tuple[str, ...]  # the name of each class in label order; empty for regression
    metrics: tuple[str, ...]  # out of `tasks.metrics.METRICS`; the first one decides what is best
    label_range: tuple[float, float] | None = None  # of a regression, if its labels have limits
    dev_splits: tuple[str, ...] = ("dev",)  # scored, their labels public; the first one decides
    test_splits: tuple[str, ...] = ("test",)  # the splits whose labels may be hidden

    @property
    def num_labels(self) -> int:
        """Width of the classifier's output: the number of classes, or 1 for a regression."""
        return len(self.label_names) if self.kind == "classification" else 1

    @property
    def primary_metric(self) -> str:
        """The metric that chooses the best checkpoint and ranks students."""
        return self.metrics[0]

    def to_dict(self) -> dict[str, Any]:
        """The task as JSON-ready values; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Task:
        """Rebuild a task from `to_dict`, JSON's lists turned back into tuples."""
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists})


_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
"""Categories of characters that show nothing: controls, zero-width and other format characters."""

_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that show nothing: joiners, fillers, the empty Braille pattern."""


def normalise(text: str) -> str:
    """A text without differences of case, Unicode form and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_blank(text: str) -> bool:
    """Whether there is nothing to see in a text."""
    return all(unicodedata.category(one) in _INVISIBLE or one in _BLANKS for one in text)


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8; bytes that could not be read leave it unwritable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_bytes(text: str) -> bytes:
    """The bytes of a text that could not be read as UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character, written as such in a JSON line
        return text.encode("utf-8", "surrogatepass")


GROUP = "task.group_column"
"""The column of a frame that `SourceSpec.group_column` fills; no column of data is called so."""

SourceKind = Literal["demo", "hub", "folder", "table"]
TrainRowsBy = Literal["first", "stratified"]


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source of raw splits."""

    # `demo` (made up on the spot), `hub` (a Hugging Face data set), `folder` (a local GLUE folder)
    # or `table` (files of one's own)
    kind: SourceKind
    dataset: str | None = None  # hub only: the repository, `owner/name`
    config: str | None = None  # hub only: of the repository; GLUE tasks know theirs
    revision: str | None = None  # hub only: the commit, 40 hex digits
    path: str | None = None  # folder: the GLUE folder; table: what `files` are relative to
    # our split -> file (table), or our split -> the repository's split (hub)
    files: Mapping[str, str] = field(default_factory=dict)
    # our column -> the column of the data; columns left out keep their names
    columns: Mapping[str, str] = field(default_factory=dict)
    train_rows: int | None = None  # how many are kept, before dev is cut; all of them when None
    train_rows_by: TrainRowsBy = "first"  # or `stratified`: drawn, of each class its share
    dev_fraction: float = 0.1  # the share of train that becomes dev where the data has no dev split
    seed: int = 0  # decides which rows are drawn for that share, and for `stratified` train rows
    unlabelled: bool = False  # whether train rows may lack a label; the demo then has some
    unlabelled_rows: int | None = None  # how many of these are kept, the first; all when None
    # table only: the column that names what a row belongs to; none is in both train and dev
    group_column: str | None = None
    # table only: class -> the column with what a teacher gives it; of a regression `label` -> its
    # value
    teacher_columns: Mapping[str, str] = field(default_factory=dict)
    teacher_values: str = "probabilities"  # what these columns hold, or `logits`

    def folder(self, project: Path) -> Path:
        """`path` as a folder, relative to the project; the project itself when there is none."""
        return project / Path(self.path or "").expanduser()
