"""A file of a model's answers, as numbers; a report reads thousands of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_HEADING = b"idx,label,prediction"


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model said of the N rows of a split, in the split's order."""

    idx: np.ndarray  # (N,) whole, the rows' numbers in the data set
    labels: np.ndarray  # (N,) class ids, or numbers
    answers: np.ndarray  # (N,) the same of the model
    probabilities: np.ndarray  # (N, C) of the classes; (N, 0) of numbers, or if they were not kept


def read_answers(data: bytes) -> tuple[list[float], list[float]]:
    """The labels (N,) and the answers (N,) of such a file alone; errors as `read_predictions`."""
    table = _table(data, ["label", "prediction"])
    # Arrow's way to numpy imports pandas, which a finished run does not wait for.
    return table["label"].to_pylist(), table["prediction"].to_pylist()


def read_predictions(data: bytes) -> Predictions:
    """Read `predictions/<split>.csv`, as `training.predict.write_predictions` writes it.

    Raises:
        ValueError: it is no such file, or it has no rows.
    """
    idx, labels, answers, *rest = (column.to_numpy() for column in _table(data).columns)
    return Predictions(idx, labels, answers, np.array(rest).reshape(len(rest), len(idx)).T)


def _table(data: bytes, names: list[str] | None = None) -> pa.Table:
    """The columns of such a file, or some of them, whole numbers as such."""
    import pyarrow as pa
    from pyarrow import csv

    if not data.startswith(_HEADING) or not data.endswith(b"\n"):
        raise ValueError(f"it does not begin with {_HEADING.decode()}, or has no end")
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(null_values=[""], include_columns=names),
    )
    if not len(table):
        raise ValueError("it has no rows")
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if column.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise ValueError(f"in the column {name} is something else than numbers")
    return table
