"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations

import errno
import os
import re

LONGEST_LINE = 4000
"""Characters of a message's line; a cell of a data set that it quotes may hold a whole book."""


_USER_INFO = re.compile(r"(?<=://)[^\s\"'<>]*@")
_SECRET_OPTION = re.compile(r"([?&]\w*(?:password|passwd|pwd|token|secret)=)[^&\s\"'<>]*", re.I)


def mask_credentials(text: str) -> str:
    """A text whose addresses carry no user names, passwords or tokens any more."""
    return _SECRET_OPTION.sub(r"\1***", _USER_INFO.sub("***@", text))


class UserError(ValueError):
    """Something the user can put right: one line naming the thing, the cause and what to do.

    Commands print its text alone; a traceback would only hide it. What the text quotes comes from
    files and command lines, so characters that a terminal would obey are shown by their numbers,
    and addresses lose their passwords. A subclass may have several lines.
    """

    def __init__(self, text: str) -> None:
        lines = [text] if type(self) is UserError else text.split("\n")
        super().__init__("\n".join(map(_shown, lines)))


def _shown(line: str) -> str:
    half = LONGEST_LINE // 2
    line = mask_credentials(line)
    line = line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class DiskFullError(UserError):
    """A disk, a quota or a limit of file sizes left no room for what was to be written."""


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

NO_ENTRY = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)
"""A place that may not be used: read-only, somebody else's, below a file, or too long a path."""

_NUMBER = re.compile(r"\b(?:errno|os error) (\d+)\b", re.IGNORECASE)
"""How libraries in other languages tell the number of the operating system's error."""


def no_room(error: BaseException | None) -> tuple[str, str | None] | None:
    """What the operating system said of a full disk, if that is behind an exception.

    Returns:
        Its words, and the file if it named one.
    """
    while error is not None:
        system = error if isinstance(error, OSError) else None
        number = (system and system.errno) or _told_number(error)
        if number in NO_ROOM:
            named = system and system.filename
            return os.strerror(number), str(named) if named else None
        error = error.__cause__ or error.__context__
    return None


def _told_number(error: BaseException) -> int:
    said = _NUMBER.search(str(error))
    return int(said[1]) if said else 0


def user_error(error: BaseException | None) -> UserError | None:
    """The user's error behind an exception, if there is one: frameworks wrap what code raises."""
    found = error
    while found is not None:
        if isinstance(found, UserError):
            return found
        found = found.__cause__ or found.__context__
    full = no_room(error)
    if full is None:
        return _no_entry(error)
    what, file = full
    return DiskFullError(
        f"{file or 'a file'} could not be written: {what}; free space and run the same command"
        " again"
    )


def _no_entry(error: BaseException | None) -> UserError | None:
    while error is not None:
        if isinstance(error, OSError) and error.filename:
            path = str(error.filename)
            if os.path.islink(path) and not os.path.exists(path):
                return UserError(f"{path} is a link to what is not there: make that, or remove it")
            if error.errno in NO_ENTRY:
                return UserError(
                    f"{path} cannot be used: {os.strerror(error.errno)}; choose another place or"
                    " change its permissions"
                )
        error = error.__cause__ or error.__context__
    return None
