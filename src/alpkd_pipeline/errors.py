"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user can put right: one line naming the thing, the cause and what to do.

    Commands print its text alone; a traceback would only hide it.
    """
