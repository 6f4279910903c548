"""Readers of raw tables: TSV, CSV, JSON lines and parquet, cell by cell and without guessing.

No reader gives a meaning to words such as NA or null. Bytes that are not UTF-8 come through as
lone surrogates (`surrogateescape`), so that the row survives and the validation can name it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError, first_line

if TYPE_CHECKING:
    import pyarrow as pa

# Characters of a CSV cell. Python's own limit, 131,072, takes a long text for an open quote.
LONGEST_CELL = 2**31 - 1
LISTED_LINES = 5  # how many further malformed lines a message lists before it only counts


@dataclass(frozen=True, slots=True)
class RawTable:
    """Cells as they were found."""

    file: str  # the file (or data set) to name in messages
    names: tuple[str, ...]  # every column there is, in order
    # the columns that were asked for and exist, each a list with one value per row
    cells: Mapping[str, Sequence[object]]
    # for each row its line in the file, or its number in the table, counted from 1
    numbers: Sequence[int]
    unit: str  # what `numbers` are: `line` or `row`
    # the names of the class ids of a column, where the file itself carries them
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_table(path: Path, wanted: Collection[str]) -> RawTable:
    """Read the wanted columns of a .csv, .tsv, .jsonl or .parquet file, by its suffix."""
    if path.suffix.lower() not in _READERS:
        raise UserError(f"{path} cannot be read: its suffix must be one of {', '.join(_READERS)}")
    return _READERS[path.suffix.lower()](path, wanted)


def read_tsv(
    path: Path, wanted: Collection[str], *, header: bool = True, strict: bool = True
) -> RawTable:
    """Read a TSV file in which quotes are ordinary characters: every line is one row.

    Without a header columns are named "0", "1", ... Strict refuses lines with more or fewer fields
    than the first line. Otherwise surplus fields are ignored and missing ones are None.
    """
    rows = [line.split("\t") for line in read_lines(path)]
    if header or not rows:
        return _from_rows(path, rows, range(1, len(rows) + 1), wanted, strict)
    rows.insert(0, [str(i) for i in range(len(rows[0]))])
    return _from_rows(path, rows, range(len(rows)), wanted, strict)


def read_csv(path: Path, wanted: Collection[str]) -> RawTable:
    """Read a CSV file with a header and standard quoting; a quoted text may span lines."""
    rows: dict[int, list[str]] = {}
    csv.field_size_limit(LONGEST_CELL)
    text = _read_utf8(path).decode("utf-8", "surrogateescape")
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    number = 1
    try:
        for row in reader:
            if row:
                rows[number] = row
            number = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {number}: not a CSV row ({error}); look for a quote that is not"
            " closed, or one inside a text that is not doubled"
        ) from None
    return _from_rows(path, [*rows.values()], [*rows], wanted, strict=True)


def read_jsonl(path: Path, wanted: Collection[str]) -> RawTable:
    """Read JSON lines: one object per line, blank lines skipped."""
    rows: dict[int, dict[str, object]] = {}
    wrong: dict[int, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            wrong[number] = f"not JSON ({error}); give one object per line"
            continue
        if isinstance(row, dict):
            rows[number] = row
        else:
            wrong[number] = (
                f"a JSON {type(row).__name__} where an object is expected;"
                ' write {"column": value, ...} on each line'
            )
    _refuse_malformed(path, wrong)
    if not rows:
        raise UserError(f"{path} is empty")
    names = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    cells = {name: [row.get(name) for row in rows.values()] for name in wanted if name in names}
    return RawTable(str(path), names, cells, [*rows], "line")


def read_parquet(path: Path, wanted: Collection[str]) -> RawTable:
    """Read columns of a parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _refuse_missing(path)
    try:
        # Not read_table: it takes folder names such as `seed=1` for columns.
        with pq.ParquetFile(path) as file:
            names = tuple(file.schema_arrow.names)
            _refuse_doubled(path, names, wanted)
            table = file.read(columns=[name for name in names if name in wanted])
        cells = {name: column_cells(table.column(name)) for name in table.column_names}
    except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
        raise UserError(f"{path} is not a readable parquet file ({first_line(error)})") from None
    numbers = range(1, table.num_rows + 1)
    return RawTable(str(path), names, cells, numbers, "row", _carried_classes(table))


def _carried_classes(table: pa.Table) -> dict[str, list[str]]:
    """The names of class ids that the library `datasets` writes into a file's schema."""
    import pyarrow as pa

    try:
        features = json.loads((table.schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: [str(one) for one in features[name]["names"]]
            for name in table.column_names
            if pa.types.is_integer(table.schema.field(name).type)
            and features.get(name, {}).get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # none, or another format of another time


def column_cells(column: pa.ChunkedArray) -> list[object]:
    """The values of a column; bytes that are not UTF-8 as everywhere here."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.type == pa.float32():
        # Their own digits, as text files have them: 0.1, and not the 0.10000000149 of 64 bits.
        return [None if v is None else float(v) for v in column.cast(pa.string()).to_pylist()]
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary()).to_pylist()
        return [None if v is None else v.decode("utf-8", "surrogateescape") for v in values]


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file, split at line feeds only and so counted as `wc -l` does."""
    lines = _read_utf8(path).split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix(b"\r").decode("utf-8", "surrogateescape") for line in lines]


_READERS = {".csv": read_csv, ".tsv": read_tsv, ".jsonl": read_jsonl, ".parquet": read_parquet}


def _from_rows(
    path: Path,
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    wanted: Collection[str],
    strict: bool,
) -> RawTable:
    """The table of rows of which the first one holds the names."""
    if not rows:
        raise UserError(f"{path} is empty")
    names, rows, numbers = rows[0], rows[1:], numbers[1:]
    if strict:
        why = (
            f"fields where the first line has {len(names)}; a separator inside a text must be"
            " quoted (.csv) or replaced (.tsv)"
        )
        lines = zip(numbers, rows, strict=True)
        _refuse_malformed(
            path, {n: f"{len(row)} {why}" for n, row in lines if len(row) != len(names)}
        )
    _refuse_doubled(path, names, wanted)
    cells = {
        name: [row[at] if at < len(row) else None for row in rows]
        for at, name in enumerate(names)
        if name in wanted
    }
    return RawTable(str(path), tuple(names), cells, numbers, "line")


def _read_utf8(path: Path) -> bytes:
    """A file's bytes without a byte order mark."""
    _refuse_missing(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"the file {path} cannot be read: {error.strerror}") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UserError(f"{path} is UTF-16; save it as UTF-8")
    if b"\0" in (raw.partition(b"\n")[0] or raw[:2]):  # a row may begin with one
        raise UserError(f"{path} has NUL bytes in its first line, as UTF-16 has; save it as UTF-8")
    return raw.removeprefix(b"\xef\xbb\xbf")


def _refuse_malformed(path: Path, wrong: Mapping[int, str]) -> None:
    """Refuse a file with malformed lines: the first one and why, and which others there are."""
    if not wrong:
        return
    number, *others = wrong
    more = ""
    if others:
        dots = ", ..." if len(others) > LISTED_LINES else ""
        lines = ", ".join(map(str, others[:LISTED_LINES]))
        more = f" (malformed too: {len(others)} more, line {lines}{dots})"
    raise UserError(f"{path}, line {number}: {wrong[number]}{more}")


def _refuse_doubled(path: Path, names: Sequence[str], wanted: Collection[str]) -> None:
    for name in wanted:
        if list(names).count(name) > 1:
            raise UserError(f"{path} has several columns named '{name}'; keep one of them")


def _refuse_missing(path: Path) -> None:
    if not is_there(path):
        raise UserError(f"the file {path} does not exist; put it there or correct its name")


def is_there(path: Path) -> bool:
    """Whether there is a file of this name; no when no file can have it."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, or a character that no name may have
        return False
