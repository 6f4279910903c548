"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user can put right: one line naming the thing, the cause and what to do.

    Commands print its text alone; a traceback would only hide it.
    """


def user_error(error: BaseException | None) -> UserError | None:
    """The user's error behind an exception, if there is one: frameworks wrap what code raises."""
    while error is not None:
        if isinstance(error, UserError):
            return error
        error = error.__cause__ or error.__context__
    return None
