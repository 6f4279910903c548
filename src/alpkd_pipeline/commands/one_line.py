"""Errors of commands: one line for what the user can put right, a traceback for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from alpkd_pipeline.errors import UserError, user_error
from alpkd_pipeline.runs.finished import DamagedError


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
    from alpkd_pipeline.orchestration.integrity.advice import with_commands

    return with_commands(error)
