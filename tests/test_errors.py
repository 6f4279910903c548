from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alpkd_pipeline.errors import (
    DiskFullError,
    UserError,
    did_you_mean,
    first_problem,
    kind_and_line,
    plural,
    quoted,
    size,
    user_error,
)


def raised(wrap: bool, hide: bool = False) -> RuntimeError:
    try:
        try:
            raise UserError("the line")
        except UserError as cause:
            raise RuntimeError("outer") from (cause if wrap else None if hide else ValueError("x"))
    except RuntimeError as error:
        return error


def test_a_user_error_is_its_own() -> None:
    error = UserError("the line")
    assert user_error(error) is error


def test_it_is_found_behind_the_exception_that_wraps_it() -> None:
    assert str(user_error(raised(wrap=True))) == "the line"


def test_it_is_found_where_the_wrapper_hides_its_cause() -> None:
    assert str(user_error(raised(wrap=False, hide=True))) == "the line"


def test_it_is_found_two_wrappers_deep() -> None:
    outermost = KeyError("outermost")
    outermost.__cause__ = raised(wrap=True)
    assert str(user_error(outermost)) == "the line"


def test_other_exceptions_are_nobody_s_mistake() -> None:
    assert user_error(ValueError("a bug")) is None
    assert user_error(None) is None


def test_a_full_disk_is_the_users_too_wherever_it_shows() -> None:
    wrapped = RuntimeError("saving failed")
    wrapped.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/store/a.json")
    found = user_error(wrapped)
    assert isinstance(found, DiskFullError)
    assert str(found).startswith("/store/a.json could not be written: No space left on device;")


def test_a_full_disk_is_known_by_what_other_languages_say_of_it() -> None:
    found = user_error(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert str(found).startswith("a file could not be written: No space left on device;")
    assert user_error(RuntimeError("I/O error: Permission denied (os error 13)")) is None
    assert user_error(OSError(errno.EACCES, "No")) is None


def test_it_is_one_line_that_a_terminal_shows_as_it_is() -> None:
    error = UserError("the column 'a\nb\x1b[31m\udcff\u2028' of grün.csv\0")
    assert str(error) == r"the column 'a\nb\x1b[31m\udcff\u2028' of grün.csv\x00"
    assert str(UserError(str(error))) == str(error)


def test_what_it_quotes_may_be_a_book() -> None:
    line = str(UserError("begin " + "x" * 100_000 + " end"))
    assert line.startswith("begin xxx")
    assert line.endswith("xxx end")
    assert len(line) < 4100


def test_a_place_that_may_not_be_used_is_the_users_to_change(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OSError, match="Not a directory") as caught:
        (file / "store").mkdir()
    told = str(user_error(caught.value))
    assert told.startswith(f"{file / 'store'} cannot be used: Not a directory")
    assert "\n" not in told


def test_a_file_that_is_not_there_may_be_a_bug() -> None:
    assert user_error(FileNotFoundError(errno.ENOENT, "no such file", "x")) is None
    assert user_error(OSError(errno.EROFS, "which file?")) is None


def test_addresses_in_it_have_no_credentials() -> None:
    line = str(UserError("no answer from postgresql://me:pass@host/db and http://h/?a=b&token=abc"))
    assert line == "no answer from postgresql://***@host/db and http://h/?a=b&token=***"


def test_a_password_in_the_middle_of_a_book_is_not_cut_in_two() -> None:
    """Half of it would no longer look like one."""
    line = str(UserError("x" * 1990 + " http://me:" + "secret" * 1000 + "@host " + "y" * 1990))
    assert "secret" not in line
    assert "http://***@host" in line


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "demo").symlink_to("/nowhere/at/all")
    with pytest.raises(FileExistsError) as caught:
        (tmp_path / "demo").mkdir()
    assert str(user_error(caught.value)) == (
        f"{tmp_path}/demo is a link to what is not there: make that, or remove it"
    )
    with pytest.raises(FileExistsError) as caught:
        tmp_path.mkdir()
    assert user_error(caught.value) is None


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("lable", ["text", "label"], "label"),
        ("LABEL", ["text", "label"], "label"),
        ("sentence-1", ["Sentence_1", "Sentence_2"], "Sentence_1"),
        ("alp", ["kd", "alp_kd", "alp_no"], "alp_kd"),
        ("rnu", {"run": 1, "sync": 2}, "run"),
    ],
)
def test_the_name_that_was_meant(word: str, known: Any, meant: str) -> None:
    assert did_you_mean(word, known) == f" (did you mean '{meant}'?)"
    assert did_you_mean(word, known, "; {}") == f"; did you mean '{meant}'?"


@pytest.mark.parametrize("word", ["", "zzz"])
def test_nothing_is_said_where_no_name_is_close(word: str) -> None:
    assert did_you_mean(word, ["label", "text"], "; {}") == ""


def test_one_and_several() -> None:
    assert [plural(n, "seed") for n in (0, 1, 1200)] == ["0 seeds", "1 seed", "1,200 seeds"]
    assert [plural(n, "study", "studies") for n in (1, 2)] == ["1 study", "2 studies"]


def test_a_number_that_python_does_not_write_is_told_in_words() -> None:
    assert quoted("a\nb") == r"'a\nb'"
    assert quoted([16**5000]) == "(a number of thousands of digits)"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    low: int
    high: list[int] | Literal["off"] = "off"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: list[Inner] | Inner
    seeds: tuple[Literal[1, 2], ...] = Field((1,), min_length=1)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "x 'inner' is missing: set inner"),
        ({"inner": {"low": 1, "hihg": 2}}, "no inner.hihg"),
        ({"inner": {}}, "x 'inner.low' is missing: set inner.low"),
        ({"inner": [], "seeds": [3]}, "x 'seeds.0' = 3: input should be 1 or 2"),
        ({"inner": [], "seeds": [3, 4]}, "x 'seeds.0' = 3: input should be 1 or 2 (and 1 more)"),
        ({"inner": [], 5: 1}, "x '5' = 5: keys should be strings"),
    ],
)
def test_what_pydantic_found_is_one_sentence(values: dict[Any, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    said = first_problem(
        caught.value,
        values,
        lambda path: f"no {'.'.join(path)}",
        noun="x ",
        remedy=": set {}",
    )
    assert said == told


@pytest.mark.parametrize(
    ("high", "told"),
    [
        ("on", "'high' = 'on': should be a list or input should be 'off'"),
        (3, "'high' = 3: should be a list or input should be 'off'"),
        ([1, "x"], "'high.1' = 'x': should be a whole number"),
    ],
)
def test_a_value_of_two_kinds_is_refused_for_both(high: Any, told: str) -> None:
    values = {"low": 1, "high": high}
    with pytest.raises(ValidationError) as caught:
        Inner.model_validate(values)
    assert first_problem(caught.value, values).startswith(told)


@pytest.mark.parametrize(
    ("count", "text"),
    [(999, "999 bytes"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (3e12, "3000.0 GB")],
)
def test_sizes(count, text):
    assert size(count) == text


def test_one_line_of_many() -> None:
    assert kind_and_line(ValueError("first\nsecond")) == "ValueError: first"
    assert kind_and_line(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_no_password_and_no_novel() -> None:
    text = kind_and_line(OSError("no route to http://u:c4n4ry@host/" + "x" * 1000))
    assert "c4n4ry" not in text
    assert len(text) == 300
