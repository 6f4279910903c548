import json
import random
from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.raw import (
    RawTable,
    read_csv,
    read_jsonl,
    read_lines,
    read_parquet,
    read_table,
    read_tsv,
)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(read: Callable[[Path, list[str]], RawTable], path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path, ["a", "b"])
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


class TestTsv:
    def test_unbalanced_quotes_keep_every_row(self, tmp_path: Path) -> None:
        texts = [f"text {i}" for i in range(1000)]
        for i in random.Random(0).sample(range(1000), 10):
            texts[i] = random.Random(i).choice(['"text', 'te"xt', '"a" b "', "'text"])
        path = write(tmp_path / "a.tsv", "".join(f"{t}\t{i}\n" for i, t in enumerate(texts)))
        raw = read_tsv(path, ["0", "1"], header=False)
        assert raw.cells["0"] == texts
        assert raw.cells["1"] == [str(i) for i in range(1000)]

    def test_words_for_nothing_stay_words(self, tmp_path: Path) -> None:
        words = ["NA", "null", "None", "nan", "NULL", "n/a", "#N/A", "-", ""]
        path = write(tmp_path / "a.tsv", "a\tb\n" + "".join(f"{w}\t1\n" for w in words))
        assert read_tsv(path, ["a"]).cells["a"] == words

    def test_rows_are_numbered_by_line(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", "a\tb\nx\t1\ny\t2\n")
        raw = read_tsv(path, ["b"])
        assert (raw.names, raw.unit, list(raw.numbers)) == (("a", "b"), "line", [2, 3])
        assert list(read_tsv(path, ["0"], header=False).numbers) == [1, 2, 3]
        assert list(raw.cells) == ["b"]

    def test_ragged_line_is_refused_by_number(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", "a\tb\nx\t1\ny\n")
        assert "line 3: 1 fields where the first line has 2" in refusal(read_tsv, path)

    def test_ragged_lines_can_be_let_through(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", "a\tb\nx\ny\t2\t3\n")
        assert read_tsv(path, ["a", "b"], strict=False).cells == {"a": ["x", "y"], "b": [None, "2"]}

    def test_doubled_column_is_refused_where_it_matters(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", "a\tc\tc\nx\t1\t2\n")
        assert read_tsv(path, ["a"]).cells == {"a": ["x"]}
        with pytest.raises(UserError, match="several columns named 'c'"):
            read_tsv(path, ["c"])


class TestLines:
    def test_only_line_feeds_part_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "a\u2028b\x0bc\x85d\re\nf\r\ng")
        assert read_lines(path) == ["a\u2028b\x0bc\x85d\re", "f", "g"]

    def test_byte_order_mark_is_dropped(self, tmp_path: Path) -> None:
        assert read_lines(write(tmp_path / "a", b"\xef\xbb\xbfQuality\n")) == ["Quality"]

    def test_bad_bytes_survive_in_their_own_row(self, tmp_path: Path) -> None:
        lines = read_lines(write(tmp_path / "a", b"good\nb\xe4d\nfine\n"))
        assert lines == ["good", "b\udce4d", "fine"]

    def test_utf16_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", "a\tb\n".encode("utf-16"))
        assert "UTF-16; save it as UTF-8" in refusal(read_tsv, path)

    def test_a_row_that_begins_with_nul_is_a_row(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", b"text,more\n\0x,y\n")
        assert read_csv(path, ["text", "more"]).cells == {"text": ["\0x"], "more": ["y"]}

    @pytest.mark.parametrize("form", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
    @pytest.mark.parametrize("header", ["a\tb", "текст\tметка", "文\t字"])
    def test_utf16_without_a_mark_is_refused(self, tmp_path: Path, form: str, header: str) -> None:
        for read, suffix, sep in ((read_tsv, "tsv", "\t"), (read_csv, "csv", ",")):
            lines = f"{header}\nx\t1\n".replace("\t", sep)
            path = write(tmp_path / f"a.{suffix}", lines.encode(form))
            said = "has NUL bytes in its first line, as UTF-16 has; save it as UTF-8"
            assert said in refusal(read, path)

    def test_a_nul_in_a_text_is_no_utf16(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.tsv", "a\tb\nx\0y\t1\n")
        assert read_tsv(path, ["a"]).cells["a"] == ["x\0y"]

    @given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]))))
    @settings(max_examples=50, deadline=None)
    def test_rows_equal_lines(self, tmp_path_factory: pytest.TempPathFactory, lines: list[str]):  # type: ignore[no-untyped-def]
        path = tmp_path_factory.mktemp("lines") / "a"
        write(path, "x\n" + "".join(f"{line}\n" for line in lines))
        assert read_lines(path)[1:] == lines


class TestCsv:
    def test_standard_quoting(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", 'a,b\n"x, ""y""\nz",1\nNA,2\n')
        raw = read_csv(path, ["a", "b"])
        assert raw.cells == {"a": ['x, "y"\nz', "NA"], "b": ["1", "2"]}
        assert list(raw.numbers) == [2, 4]

    def test_blank_lines_are_skipped(self, tmp_path: Path) -> None:
        raw = read_csv(write(tmp_path / "a.csv", "a,b\n\nx,1\n\n"), ["a"])
        assert (raw.cells["a"], list(raw.numbers)) == (["x"], [3])

    def test_open_quote_is_refused_by_number(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", 'a,b\nx,1\n"y,2\nz,3\n')
        assert "line 3: not a CSV row" in refusal(read_csv, path)

    def test_text_after_a_quote_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", 'a,b\n"x"y,1\n')
        assert "line 2: not a CSV row" in refusal(read_csv, path)

    def test_ragged_row_is_refused_by_number(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "a,b\nx,1\ny, or z,2\n")
        assert "line 3: 3 fields" in refusal(read_csv, path)

    def test_bad_bytes_and_byte_order_mark(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", b"\xef\xbb\xbfa,b\nx\xff,1\n")
        assert read_csv(path, ["a"]).cells["a"] == ["x\udcff"]

    def test_rows_survive_a_round_trip_through_pandas(self, tmp_path: Path) -> None:
        texts = ['say "a, b"', "NA", "two\nlines", " spaced ", "grün"]
        frame = pd.DataFrame({"a": texts, "b": range(5)})
        frame.to_csv(tmp_path / "a.csv", index=False)
        assert read_csv(tmp_path / "a.csv", ["a"]).cells["a"] == texts

    def test_a_long_text_is_no_open_quote(self, tmp_path: Path) -> None:
        """Python's csv module stops at 131,072 characters unless it is told not to."""
        path = write(tmp_path / "a.csv", f"a,b\n{'x' * 200_000},1\n")
        assert len(read_csv(path, ["a"]).cells["a"][0]) == 200_000  # type: ignore[arg-type]


class TestJsonLines:
    def test_all_malformed_lines_are_counted(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", '{"a": 1}\n' + "x\n" * 8)
        assert "(malformed too: 7 more, line 3, 4, 5, 6, 7, ...)" in refusal(read_jsonl, path)

    def test_brackets_without_end_are_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.jsonl", '{"a":' * 100_000 + "\n")
        assert "line 1: not JSON (maximum recursion depth" in refusal(read_jsonl, path)

    def test_objects(self, tmp_path: Path) -> None:
        rows = [{"a": "x", "b": 1}, {"b": None, "a": "NA", "c": [1]}]
        path = write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(row) for row in rows))
        raw = read_jsonl(path, ["a", "b"])
        assert raw.cells == {"a": ["x", "NA"], "b": [1, None]}
        assert (raw.names, list(raw.numbers)) == (("a", "b", "c"), [1, 3])

    @pytest.mark.parametrize(
        ("line", "message"),
        [('{"a": 1', "not JSON"), ("[1]", "a JSON list where"), ("'x'", "not JSON")],
    )
    def test_malformed_line_is_refused_by_number(
        self, tmp_path: Path, line: str, message: str
    ) -> None:
        path = write(tmp_path / "a.jsonl", f'{{"a": 1}}\n{line}\n')
        assert f"line 2: {message}" in refusal(read_jsonl, path)


class TestParquet:
    def test_bytes_that_are_not_utf8_come_through_as_everywhere(self, tmp_path: Path) -> None:
        texts = pa.array([b"x", b"\xff", None], pa.binary()).view(pa.string())
        pq.write_table(pa.table({"a": texts}), tmp_path / "a.parquet")
        assert read_parquet(tmp_path / "a.parquet", ["a"]).cells["a"] == ["x", "\udcff", None]

    def test_doubled_column_is_refused_where_it_matters(self, tmp_path: Path) -> None:
        table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], ["a", "c", "c"])
        pq.write_table(table, tmp_path / "a.parquet")
        assert read_parquet(tmp_path / "a.parquet", ["a"]).cells == {"a": [1]}
        with pytest.raises(UserError, match="several columns named 'c'"):
            read_parquet(tmp_path / "a.parquet", ["c"])

    def test_folder_names_are_no_columns(self, tmp_path: Path) -> None:
        folder = tmp_path / "a=1"
        folder.mkdir()
        pq.write_table(pa.table({"a": ["x"], "a.b": ["y"]}), folder / "a.parquet")
        assert read_parquet(folder / "a.parquet", ["a"]).cells == {"a": ["x"]}
        assert read_parquet(folder / "a.parquet", ["a.b"]).cells == {"a.b": ["y"]}

    def test_categories_are_their_values(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"a": pd.Categorical(["x", None, "y"], ["y", "z", "x"]), "b": 1})
        frame.to_parquet(tmp_path / "a.parquet")
        assert read_parquet(tmp_path / "a.parquet", ["a"]).cells["a"] == ["x", None, "y"]

    @pytest.mark.parametrize("kind", ["float32", "float64"])
    def test_numbers_have_the_digits_that_people_gave_them(self, tmp_path: Path, kind: str) -> None:
        column = pa.array(np.array([0.1, 3.8, 1.0], kind), mask=np.array([False, False, True]))
        pq.write_table(pa.table({"a": column}), tmp_path / "a.parquet")
        found = read_parquet(tmp_path / "a.parquet", ["a"]).cells["a"]
        assert found == [0.1, 3.8, None]

    def test_class_names_in_the_schema(self, tmp_path: Path) -> None:
        features = datasets.Features(
            {"a": datasets.ClassLabel(names=["no", "yes"]), "b": datasets.Value("int64")}
        )
        rows = datasets.Dataset.from_dict({"a": [1, 0, -1], "b": [1, 2, 3]}, features=features)
        rows.to_parquet(str(tmp_path / "a.parquet"))
        raw = read_parquet(tmp_path / "a.parquet", ["a", "b"])
        assert raw.classes == {"a": ["no", "yes"]}
        assert raw.cells["a"] == [1, 0, -1]
        assert read_parquet(tmp_path / "a.parquet", ["b"]).classes == {}

    @pytest.mark.parametrize(
        "about",
        [
            "",
            "[]",
            "{}",
            '{"info": null}',
            '{"info": {"features": {"a": 1}}}',
            "[" * 9000,
            "\xff",
            '{"info": {"features": {"a": {"_type": "ClassLabel", "names": 3}}}}',
        ],
    )
    def test_a_schema_in_another_form_carries_no_names(self, tmp_path: Path, about: str) -> None:
        table = pa.table({"a": [1, 0]}).replace_schema_metadata({"huggingface": about})
        pq.write_table(table, tmp_path / "a.parquet")
        assert read_parquet(tmp_path / "a.parquet", ["a"]).classes == {}

    def test_a_date_beyond_the_calendar_is_refused(self, tmp_path: Path) -> None:
        days = pa.array([2**31 - 1], pa.int32()).view(pa.date32())
        pq.write_table(pa.table({"a": days}), tmp_path / "a.parquet")
        assert "not a readable parquet file" in refusal(read_parquet, tmp_path / "a.parquet")

    def test_columns(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"a": ["x", None], "b": [1, 2], "c": [[1], [2]]})
        frame.to_parquet(tmp_path / "a.parquet")
        raw = read_parquet(tmp_path / "a.parquet", ["a", "b"])
        assert raw.cells == {"a": ["x", None], "b": [1, 2]}
        assert (raw.names, raw.unit, list(raw.numbers)) == (("a", "b", "c"), "row", [1, 2])

    def test_damage_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.parquet", b"PAR1 and nothing else")
        assert "not a readable parquet file" in refusal(read_parquet, path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_missing_file(tmp_path: Path, suffix: str) -> None:
    assert "does not exist" in refusal(read_table, tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_empty_file(tmp_path: Path, suffix: str) -> None:
    assert "is empty" in refusal(read_table, write(tmp_path / f"a{suffix}", ""))


def test_unknown_suffix(tmp_path: Path) -> None:
    message = refusal(read_table, write(tmp_path / "a.xlsx", ""))
    assert "suffix must be one of .csv, .tsv, .jsonl, .parquet" in message
