from __future__ import annotations

import errno
import os
from pathlib import Path

import click
import pytest

from alpkd_pipeline.commands.common import one_line_errors
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import seal
from alpkd_pipeline.store.run_folder import RunFolder


def test_a_wrapped_error_of_the_user_is_one_line() -> None:
    error = RuntimeError("outer")
    error.__cause__ = UserError("the line")
    with pytest.raises(click.ClickException, match=r"^the line$"), one_line_errors():
        raise error


def test_damage_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    seal(tmp_path, {})
    (tmp_path / "a").write_text("b")
    told = (
        rf"/a is damaged: sha256 \w{{64}} instead of \w{{64}}; rm -r {tmp_path}, then the command"
    )
    with pytest.raises(click.ClickException, match=told), one_line_errors():
        RunFolder(tmp_path).verify()


def test_a_place_that_may_not_be_written_is_one_line() -> None:
    told = r"^/there cannot be used: Read-only"
    with pytest.raises(click.ClickException, match=told), one_line_errors():
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/there")


@pytest.mark.parametrize(
    "error", [click.UsageError("usage"), click.exceptions.Exit(3), click.Abort(), KeyError("bug")]
)
def test_everything_else_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, one_line_errors():
        raise error
    assert caught.value is error
