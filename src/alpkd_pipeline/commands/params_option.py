"""`--params` of every command: read as Kedro reads it, and answered in one line where it cannot be.

The line names the parameter and never quotes the value, which may be an address with a password.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from kedro.framework.cli.utils import _split_params
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from alpkd_pipeline.errors import UserError, mask_credentials, user_error
from alpkd_pipeline.program import program
from alpkd_pipeline.store.finished import DamagedError

UNREADABLE = (YAMLError, OmegaConfBaseException, ValueError, LookupError, RecursionError)
"""What the parsers below Kedro raise: YAML's, OmegaConf's, and Python's for text and numbers."""


def read_params(context: click.Context, option: click.Parameter, value: Any) -> dict[str, Any]:
    """Turn `a.b=1,c=2` into nested parameters; a click callback.

    Raises:
        ClickException: one line that names what cannot be read.
    """
    try:
        return dict(_split_params(context, option, value))
    except click.UsageError as error:
        raise click.ClickException(f"--params: {error.message}") from None
    except UNREADABLE:
        name = _first_unreadable(context, option, value)
        raise click.ClickException(
            f"--params: {name!r} or its value cannot be read as YAML, where some characters have a"
            " meaning (@ * & ! % ` { [ \" ' and $ before {); write it in conf/, or inside double"
            f" quotes: --params='{name}=\"...\"'"
        ) from None


def command_line() -> str:
    """This process's command line as it may be written down: without passwords in addresses."""
    return mask_credentials(" ".join([program(), *sys.argv[1:]]))


def _first_unreadable(context: click.Context, option: click.Parameter, value: str) -> str:
    for item in value.split(","):
        try:
            _split_params(context, option, item)
        except click.UsageError:
            continue
        except UNREADABLE:
            return item.partition("=")[0].strip()
    return value.partition("=")[0].strip()


@contextmanager
def one_line_errors() -> Iterator[None]:
    """A context in which a user's error, however wrapped, becomes Click's own one line.

    Raises:
        ClickException: in place of a user's error; other errors stay as they are.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        cause = user_error(error)
        if cause is None:
            raise
        raise click.ClickException(str(advised(cause))) from None


def advised(error: UserError) -> UserError:
    """An error that names damaged folders says which commands make them again."""
    if not isinstance(error, DamagedError):
        return error
    from alpkd_pipeline.store.repairs import with_commands

    return with_commands(error)
