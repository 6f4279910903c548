"""Readers of raw tables: TSV, CSV, JSON lines and parquet, cell by cell and without guessing.

No reader gives a meaning to words such as NA or null. Bytes that are not UTF-8 come through as
lone surrogates (`surrogateescape`), so that the row survives and the validation can name it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from alpkd_pipeline.errors import UserError


@dataclass(frozen=True, slots=True)
class RawTable:
    """Cells as they were found.

    Attributes:
        place: the file (or data set) to name in messages.
        names: every column there is, in order.
        cells: the columns that were asked for and exist, each a list with one value per row.
        numbers: for each row its line in the file, or its number in the table, counted from 1.
        unit: what `numbers` are: `line` or `row`.
    """

    place: str
    names: tuple[str, ...]
    cells: Mapping[str, Sequence[object]]
    numbers: Sequence[int]
    unit: str


def read_table(path: Path, wanted: Collection[str]) -> RawTable:
    """Read a file by its suffix.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file.
        wanted: the columns to keep.

    Raises:
        UserError: no such file, an unknown suffix, or a line that is no table row.
    """
    if path.suffix.lower() not in _READERS:
        allowed = ", ".join(_READERS)
        raise UserError(f"{path} cannot be read: its suffix must be one of {allowed}")
    return _READERS[path.suffix.lower()](path, wanted)


def read_tsv(
    path: Path, wanted: Collection[str], *, header: bool = True, strict: bool = True
) -> RawTable:
    """Read a TSV file in which quotes are ordinary characters: every line is one row.

    Args:
        path: the file.
        wanted: the columns to keep.
        header: whether the first line holds names; otherwise columns are named "0", "1", ...
        strict: refuse lines with more or fewer fields than the first line. Otherwise surplus
            fields are ignored and missing ones are None.
    """
    rows = [line.split("\t") for line in read_lines(path)]
    _refuse_empty(path, rows)
    names = rows[0] if header else [str(i) for i in range(len(rows[0]))]
    first = 1 if header else 0
    numbers = range(1 + first, 1 + len(rows))
    return _from_rows(path, names, rows[first:], numbers, wanted, strict)


def read_csv(path: Path, wanted: Collection[str]) -> RawTable:
    """Read a CSV file with a header and standard quoting; a quoted text may span lines."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    with _open_text(path) as file:
        reader = csv.reader(file, strict=True)
        line = 0
        try:
            for row in reader:
                if row:
                    rows.append(row)
                    numbers.append(line + 1)
                line = reader.line_num
        except csv.Error as error:
            raise UserError(
                f"{path}, line {line + 1}: not a CSV row ({error}); look for a quote that is not"
                " closed, or one inside a text that is not doubled"
            ) from None
    _refuse_empty(path, rows)
    return _from_rows(path, rows[0], rows[1:], numbers[1:], wanted, strict=True)


def read_jsonl(path: Path, wanted: Collection[str]) -> RawTable:
    """Read JSON lines: one object per line, blank lines skipped."""
    rows: list[dict[str, object]] = []
    numbers: list[int] = []
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            rows.append(_json_object(path, number, line))
            numbers.append(number)
    _refuse_empty(path, rows)
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    cells = {name: [row.get(name) for row in rows] for name in wanted if name in names}
    return RawTable(str(path), names, cells, numbers, "line")


def read_parquet(path: Path, wanted: Collection[str]) -> RawTable:
    """Read columns of a parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _refuse_missing(path)
    try:
        names = tuple(pq.read_schema(path).names)
        table = pq.read_table(path, columns=[name for name in names if name in wanted])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a readable parquet file ({reason})") from None
    cells = {name: table.column(name).to_pylist() for name in table.column_names}
    return RawTable(str(path), names, cells, range(1, table.num_rows + 1), "row")


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, split at line feeds only and so counted as `wc -l` does.

    Raises:
        UserError: no such file, or a UTF-16 file.
    """
    _refuse_missing(path)
    raw = path.read_bytes()
    _refuse_utf16(path, raw[:2])
    lines = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r").decode("utf-8", "surrogateescape") for line in lines]


_READERS = {".csv": read_csv, ".tsv": read_tsv, ".jsonl": read_jsonl, ".parquet": read_parquet}


def _from_rows(
    path: Path,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    wanted: Collection[str],
    strict: bool,
) -> RawTable:
    if strict:
        _refuse_ragged(path, len(names), rows, numbers)
    for name in wanted:
        if list(names).count(name) > 1:
            raise UserError(f"{path} has several columns named '{name}'; keep one of them")
    cells = {
        name: [row[at] if at < len(row) else None for row in rows]
        for at, name in enumerate(names)
        if name in wanted
    }
    return RawTable(str(path), tuple(names), cells, numbers, "line")


def _json_object(path: Path, number: int, line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise UserError(
            f"{path}, line {number}: not JSON ({error}); give one object per line"
        ) from None
    if not isinstance(value, dict):
        raise UserError(
            f"{path}, line {number}: a JSON {type(value).__name__} where an object is expected;"
            ' write {"column": value, ...} on each line'
        )
    return value


def _open_text(path: Path) -> TextIO:
    _refuse_missing(path)
    with path.open("rb") as file:
        _refuse_utf16(path, file.read(2))
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _refuse_ragged(
    path: Path, width: int, rows: Iterable[Sequence[str]], numbers: Iterable[int]
) -> None:
    for row, number in zip(rows, numbers, strict=True):
        if len(row) != width:
            raise UserError(
                f"{path}, line {number}: {len(row)} fields where the first line has {width}; a"
                " separator inside a text must be quoted (.csv) or replaced (.tsv)"
            )


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"the file {path} does not exist; put it there or correct its name")


def _refuse_empty(path: Path, rows: Sequence[object]) -> None:
    if not rows:
        raise UserError(f"{path} is empty")


def _refuse_utf16(path: Path, start: bytes) -> None:
    if start in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path} is UTF-16; save it as UTF-8")
