"""The one exception that is meant for the person at the keyboard, and words of its message.

Among them what people type before a command: `kedro` in the project, `alpkd` where the package is
all.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

LONGEST_LINE = 4000
"""Characters of a message's line; a value of a data set that it quotes may hold a whole book."""

_USER_INFO = re.compile(r"(?<=://)[^\s\"'<>]*@")
_SECRET_OPTION = re.compile(r"([?&]\w*(?:password|passwd|pwd|token|secret)=)[^&\s\"'<>]*", re.I)


def mask_credentials(text: str) -> str:
    """A text whose addresses carry no user names, passwords or tokens any more."""
    return _SECRET_OPTION.sub(r"\1***", _USER_INFO.sub("***@", text))


class UserError(Exception):
    """Something the user can put right: one line naming the thing, the cause and what to do.

    Commands print its text alone; a traceback would only hide it. What the text quotes comes from
    files and command lines, so characters that a terminal would obey are shown by their numbers,
    and addresses lose their passwords. A subclass may have several lines. It is no ValueError: who
    takes any bad value in a file for damage would take this line away with it.
    """

    def __init__(self, text: str) -> None:
        lines = [text] if type(self) is UserError else text.split("\n")
        super().__init__(as_typed("\n".join(map(_shown, lines))))


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
        told = _NUMBER.search(str(error))
        number = (system and system.errno) or (int(told[1]) if told else 0)
        if number in NO_ROOM:
            named = system and system.filename
            return os.strerror(number), str(named) if named else None
        error = error.__cause__ or error.__context__
    return None


def user_error(error: BaseException | None) -> UserError | None:
    """The user's error behind an exception, if there is one: frameworks wrap what code raises."""
    found = error
    while found is not None:
        if isinstance(found, UserError):
            return found
        found = found.__cause__ or found.__context__
    if (full := no_room(error)) is None:
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


def did_you_mean(word: str, known: Iterable[str], form: str = " ({})") -> str:
    """A question for the known name that somebody meant; nothing if none is close.

    Args:
        word: what was written; capitals and hyphens make no difference.
        known: the names; of several that begin with the word the first is meant.
        form: what stands around the question.
    """
    from difflib import get_close_matches  # most commands have no use for it

    names = {_plain(name): name for name in known}
    plain = _plain(word)
    begins = (name for name in names if plain and name.startswith(plain))
    close = next(begins, None) or next(iter(get_close_matches(plain, names, n=1)), None)
    return form.format(f"did you mean '{names[close]}'?") if close else ""


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def plural(count: int, one: str, several: str = "") -> str:
    """`1 seed`, `3 seeds`; `several` where an s does not do."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def size(count: float) -> str:
    """Bytes as people write them: `12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def first_line(error: BaseException) -> str:
    """What an error says first, or what it is called where it says nothing."""
    return str(error).strip().split("\n")[0] or type(error).__name__


LONGEST_ERROR = 300  # letters of an error in a table; the log has all of it


def kind_and_line(error: BaseException) -> str:
    """An error's kind and first line, without credentials."""
    kind, first = type(error).__name__, first_line(error)
    return mask_credentials(kind if first == kind else f"{kind}: {first}")[:LONGEST_ERROR]


def quoted(value: object) -> str:
    """A wrong value as a message shows it."""
    try:
        return repr(value)
    except ValueError:  # hexadecimal digits make numbers that Python refuses to write out
        return "(a number of thousands of digits)"


_PLAIN = {
    **dict.fromkeys(("model_type", "dict_type", "dataclass_type"), "should map names to values"),
    **dict.fromkeys(("tuple_type", "list_type"), "should be a list"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
    "string_type": "should be text",
    "too_short": "should have {min_length} or more entries",
    "too_long": "should have {max_length} or fewer entries",
    "missing": "should have more entries",  # of a list; names that are missing are told as such
}
"""What pydantic says in words of its own, by its kinds of errors."""

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""What it calls an entry that a model, or a dataclass, does not have."""


def first_problem(
    error: ValidationError,
    values: Mapping[str, Any],
    unknown: Callable[[list[str]], str] = ".".join,
    *,
    noun: str = "",
    remedy: str = "",
) -> str:
    """What is wrong with some values, as one sentence: the first problem, and how many more.

    Args:
        error: what pydantic found.
        values: what it looked at.
        unknown: says of the path of an entry that it is not known.
        noun: what to call an entry, with a space behind it.
        remedy: what to do about a missing one, with `{}` for its name.
    """
    # An unknown key is the likelier slip than the value that is missing because of it.
    problems = sorted(error.errors(), key=lambda p: p["type"] not in _UNKNOWN)
    places = [_written(problem, values) for problem in problems]
    # What is wrong inside a value says more than that the value is none of another kind.
    place = max((p for p in places if p[: len(places[0])] == places[0]), key=len)
    name = ".".join(place)
    others = {tuple(p) for p in places if p != place[: len(p)]}
    more = f" (and {len(others)} more)" if others else ""
    # A value that may be of two kinds is reported once for each of them.
    same = [p for p, where in zip(problems, places, strict=True) if where == place]
    if same[0]["type"] in _UNKNOWN:
        return unknown(place) + more
    if same[0]["type"] == "missing" and isinstance(same[0]["loc"][-1], str):
        return f"{noun}'{name}' is missing{remedy.format(name)}{more}"
    same.sort(key=lambda p: p["type"] == "literal_error" and not isinstance(p["input"], str))
    told = " or ".join(dict.fromkeys(map(said_of, same)))
    return f"{noun}'{name}' = {quoted(same[0]['input'])}: {told}{more}"


def said_of(problem: Any) -> str:
    """One of pydantic's errors in plain words, without the value."""
    if plain := _PLAIN.get(problem["type"]):
        return plain.format(**problem.get("ctx", {}))
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _written(problem: Any, values: Any) -> list[str]:
    """The part of a problem's place that was written: pydantic adds the kinds of a union."""
    path = []
    for part in problem["loc"]:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(str(part))
    gap = problem["loc"][-1]
    # A list that is too short is a wrong value, no name that is missing.
    return [*path, gap] if problem["type"] == "missing" and isinstance(gap, str) else path


# The environment variable that names the program to the processes that a command starts.
PROGRAM = "ALPKD_PROGRAM"
COMMAND_NAMES = "catalog|champion|claim|pair|prune|rerun|run|schedule|submit|sweep|sync|tune|verify"
_COMMANDS = re.compile(rf"(?<![\w./-])kedro(?= (?:{COMMAND_NAMES})\b)")


def program() -> str:
    """The program that this process was started by, or by whom its command was started."""
    return os.environ.get(PROGRAM, "kedro")


def module() -> str:
    """The same, for `python -m`."""
    return "kedro" if program() == "kedro" else "alpkd_pipeline"


def as_typed(text: str) -> str:
    """A text whose commands, which are written with `kedro`, begin as people here type them."""
    return _COMMANDS.sub(program(), text)


def short(path: Path) -> Path:
    """A path as short as it can be typed from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
