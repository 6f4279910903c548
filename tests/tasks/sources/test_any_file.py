"""No file makes a traceback or a wrong number of rows."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from tests.properties import EFFORTS, answer, for_all

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.sources.raw import read_table
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.validate import check_splits

WORDS = ["NA", "null", "None", "nan", "", " ", "0", "1", "-1", "1e5", "0.5", "a", "positive", "no"]
ODD = ['"', '""', "'", "\\", ",", ";", "|", "\u2028", "\x85", "\x0b", "\x1c", "\0", "\ufeff", "ä"]
ODD += ["\U0001f600", "9" * 5000, "=1+1", "\x1b[31m", "\u3000"]
FORMS = ["csv", "tsv", "jsonl", "parquet"]
HEADERS = [
    b"sentence\tlabel\n",
    b"sentence,label\n",
    b"first,second,label,idx\r\n",
    b"\xef\xbb\xbf",
]
HEADERS += [b"sentence\tsentence\n", b'{"sentence": "a", "label": 0}\n', b'{"sentence": ', b"PAR1"]
BYTES = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\t",
    b",",
    b"\xff",
    b"\xfe\xff",
    b"\xed\xa0\x80",
    b"{",
    b"[",
    b"}",
]
BYTES += [b"[" * 3000, b'{"a":' * 3000, b": ", b"1" * 400]

examples_of = pytest.mark.parametrize("examples", EFFORTS)

parts = st.sampled_from(WORDS + ODD) | st.text(max_size=5)
texts = st.lists(parts, max_size=4).map("".join)
rough = st.lists(st.sampled_from([*BYTES, *(w.encode() for w in WORDS + ODD)]), max_size=30)
files = st.tuples(st.sampled_from([b"", *HEADERS]), rough, st.binary(max_size=8)).map(
    lambda three: three[0] + b"".join(three[1]) + three[2]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400])
    | st.floats()
    | texts
)
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v))


def taken(path: Path, task: Task) -> Any:
    """The rows that the pipeline would go on with, or what it says instead."""
    spec = SourceSpec("table", files={"train": path.name, "dev": path.name, "test": path.name})

    def load() -> int:
        frames = load_splits(spec, task, path.parent)
        check_splits(frames, task, max_overlap=1.0)
        (rows,) = {len(frame) for frame in frames.values()}
        return rows

    return answer(load)


def lines_of(content: bytes) -> int:
    """As `wc -l`, and one more where the last line lacks its line feed."""
    return content.count(b"\n") + (not content.endswith(b"\n"))


@examples_of
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", ["mood", "pair", "likeness"])
def test_any_bytes(
    tmp_path: Path, request: pytest.FixtureRequest, examples: int, form: str, shape: str
) -> None:
    task, path = request.getfixturevalue(shape), tmp_path / f"any.{form}"

    def check(content: bytes) -> None:
        path.write_bytes(content)
        found = taken(path, task)
        if isinstance(found, UserError):
            return
        if form == "tsv":
            assert found == lines_of(content) - 1
        elif form == "jsonl":
            assert found == sum(bool(line.strip()) for line in content.decode().split("\n"))
        else:
            assert found < lines_of(content)

    for_all(examples // 4, files, check)


def write_csv(path: Path, rows: list[tuple[str, ...]], ending: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        # A carriage return ends a line unless it is quoted; Python's writer quotes it only where it
        # is part of the file's own line end.
        returns = any("\r" in text for row in rows for text in row)
        quoting = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
        writer = csv.writer(file, lineterminator=ending, quoting=quoting)
        writer.writerows([("text", "more"), *rows])


def write_jsonl(path: Path, rows: list[tuple[str, ...]], ending: str) -> None:
    lines = [json.dumps({"text": a, "more": b}, ensure_ascii=len(a) % 2 == 0) for a, b in rows]
    path.write_bytes("".join(f"{line}{ending}" for line in lines).encode())


def write_parquet(path: Path, rows: list[tuple[str, ...]], ending: str) -> None:
    columns = {"text": [a for a, _ in rows], "more": [b for _, b in rows]}
    pq.write_table(pa.table(columns), path)


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


@examples_of
@pytest.mark.parametrize("form", WRITERS)
def test_texts_come_back_as_they_were_written(tmp_path: Path, examples: int, form: str) -> None:
    path = tmp_path / f"round.{form}"

    def check(given: tuple[list[tuple[str, str]], str]) -> None:
        rows, ending = given
        WRITERS[form](path, rows, ending)
        found = read_table(path, ["text", "more"]).cells
        assert list(zip(found["text"], found["more"], strict=True)) == rows

    rows = st.lists(st.tuples(texts, texts), min_size=1, max_size=6)
    for_all(examples, st.tuples(rows, st.sampled_from(["\n", "\r\n"])), check)


@examples_of
def test_every_line_of_a_tsv_file_is_a_row(tmp_path: Path, examples: int) -> None:
    """Whatever quotes there are: with pandas' defaults 596 of 1,000 rows come back."""
    path = tmp_path / "round.tsv"
    plain = texts.map(lambda text: text.replace("\t", "").replace("\n", "").rstrip("\r"))

    def check(given: tuple[list[tuple[str, str]], str, bool]) -> None:
        rows, ending, whole = given
        lines = ending.join("\t".join(row) for row in [("text", "more"), *rows])
        path.write_bytes((lines + ending * whole).encode())
        found = read_table(path, ["text", "more"]).cells
        assert list(zip(found["text"], found["more"], strict=True)) == rows

    rows = st.lists(st.tuples(plain, plain.map(lambda text: f"{text}.")), min_size=1, max_size=6)
    for_all(examples, st.tuples(rows, st.sampled_from(["\n", "\r\n"]), st.booleans()), check)


@examples_of
@pytest.mark.parametrize("shape", ["mood", "likeness"])
def test_any_values_in_json_lines(
    tmp_path: Path, request: pytest.FixtureRequest, examples: int, shape: str
) -> None:
    task, path = request.getfixturevalue(shape), tmp_path / "any.jsonl"
    names = st.sampled_from([*task.text_columns, "label", "idx"])
    rows = st.lists(st.dictionaries(names, values), min_size=1, max_size=5)

    def check(given: list[dict[str, Any]]) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in given))
        found = taken(path, task)
        assert isinstance(found, UserError) or found == len(given)

    for_all(examples, rows, check)


TYPES = [
    pa.string(),
    pa.large_string(),
    pa.binary(),
    pa.int8(),
    pa.int64(),
    pa.uint64(),
    pa.bool_(),
]
TYPES += [pa.float32(), pa.float64(), pa.null(), pa.date32(), pa.timestamp("ns"), pa.duration("s")]
TYPES += [
    pa.list_(pa.int64()),
    pa.struct([("a", pa.string())]),
    pa.decimal128(20, 2),
    pa.time64("us"),
]


def column(kind: pa.DataType, seeds: list[int]) -> pa.Array:
    """An array of any type, its bits taken from integers; every fifth value is missing."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        raw = pa.array([s.to_bytes(8, "little", signed=True)[: s % 9] for s in seeds], pa.binary())
        wide = pa.large_binary() if pa.types.is_large_string(kind) else pa.binary()
        return raw.cast(wide).view(kind)  # a view, so that it need not be UTF-8
    if pa.types.is_primitive(kind):
        if pa.types.is_boolean(kind):
            return pa.array([None if s % 5 == 0 else s % 2 == 0 for s in seeds], kind)
        width = kind.bit_width // 8
        data = b"".join((s % 2 ** (8 * width)).to_bytes(width, "little") for s in seeds)
        return pa.Array.from_buffers(kind, len(seeds), [None, pa.py_buffer(data)])
    if pa.types.is_list(kind):
        return pa.array([None if s % 5 == 0 else [s] * (s % 3) for s in seeds], kind)
    if pa.types.is_struct(kind):
        return pa.array([None if s % 5 == 0 else {"a": str(s)} for s in seeds], kind)
    return pa.nulls(len(seeds), kind)


@examples_of
@pytest.mark.parametrize("shape", ["mood", "likeness"])
def test_any_columns_of_a_parquet_file(
    tmp_path: Path, request: pytest.FixtureRequest, examples: int, shape: str
) -> None:
    task, path = request.getfixturevalue(shape), tmp_path / "any.parquet"
    names = st.sampled_from([*task.text_columns, "label", "idx", "a.b", "", "label "])
    numbers = st.integers(-(2**62), 2**62)

    def check(given: tuple[list[tuple[str, pa.DataType]], list[int]]) -> None:
        wanted, seeds = given
        arrays = [column(kind, seeds) for _, kind in wanted]
        pq.write_table(pa.Table.from_arrays(arrays, [name for name, _ in wanted]), path)
        found = taken(path, task)
        assert isinstance(found, UserError) or found == len(seeds)

    columns = st.lists(st.tuples(names, st.sampled_from(TYPES)), max_size=6)
    for_all(examples, st.tuples(columns, st.lists(numbers, max_size=6)), check)


@examples_of
def test_a_parquet_file_cut_short(tmp_path: Path, examples: int) -> None:
    whole, path = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    pq.write_table(pa.table({"text": [f"row {i}" for i in range(50)], "label": [0, 1] * 25}), whole)
    content = whole.read_bytes()

    def check(share: float) -> None:
        path.write_bytes(content[: math.floor(share * len(content))])
        assert isinstance(answer(lambda: read_table(path, ["text"])), UserError)

    for_all(examples, st.floats(0, 1, exclude_max=True), check)


@examples_of
def test_any_names_of_columns_and_files(tmp_path: Path, mood: Task, examples: int) -> None:
    (tmp_path / "t.csv").write_text("sentence,label\na,0\nb,1\n")
    names = st.sampled_from(["sentence", "label", "idx", "train", "dev", "t.csv", ".", ".."])
    # What no path can be is refused with the other parameters.
    words = names | texts.filter(lambda text: len(text) < 1000 and "~" not in text)
    maps = st.dictionaries(words, words, max_size=3)

    def check(given: tuple[dict[str, str], dict[str, str]]) -> None:
        columns, files = given
        spec = SourceSpec("table", files={"train": "t.csv", **files}, columns=columns)
        answer(lambda: load_splits(spec, mood, tmp_path))

    for_all(examples, st.tuples(maps, maps), check)
