from __future__ import annotations

import errno
from pathlib import Path

import pytest

from alpkd_pipeline.errors import DiskFullError, UserError, user_error


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
