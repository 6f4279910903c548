"""What a scheduler is told: a name, a command of the project, and the environment it needs."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.errors import UserError, mask_credentials
from alpkd_pipeline.orchestration.sweep.ray_driver import PASSED_ON
from alpkd_pipeline.program import module, program

START = "--start"
"""The option of `kedro schedule` that a scheduler calls."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One schedule of a project.

    Attributes:
        name: what people call it; log folder and units are named after it.
        project: the project's folder.
        python: the interpreter of the project's environment.
        environment: variables that cron and systemd would not pass on. Nothing secret.
        command: what to run, without `kedro`.
    """

    name: str
    project: Path
    python: str
    environment: Mapping[str, str]
    command: tuple[str, ...]

    @property
    def start(self) -> list[str]:
        """The command that a scheduler runs, word by word."""
        return [self.python, "-m", module(), "schedule", START, self.name, "--", *self.command]

    @property
    def shown(self) -> str:
        """The command as people type it."""
        return shlex.join([program(), *self.command])


def make_entry(project: Path, name: str, command: Sequence[str]) -> Entry:
    """An entry for this interpreter, with those variables of this shell that results depend on.

    Raises:
        UserError: a name, a command or a path that a scheduler's file cannot carry.
    """
    check_name(name)
    environment = {key: os.environ[key] for key in PASSED_ON if os.environ.get(key)}
    entry = Entry(name, project.resolve(), sys.executable, environment, tuple(command))
    for word in (str(entry.project), *entry.start, *environment.values()):
        _check_word(word)
    return entry


def check_name(name: str) -> None:
    """Refuse a name that is no plain file name.

    Raises:
        UserError: says what is allowed.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"schedule name {name!r}: use up to 40 letters, digits, - and _, such as weekly"
        )


def _check_word(word: str) -> None:
    if not word.isprintable() or "\\" in word:
        raise UserError(
            f"{word!r} has a backslash, a line break or a control character, which crontab and"
            " systemd would not pass on unchanged: put such values into conf/"
        )
    if mask_credentials(word) != word:
        raise UserError(
            f"'{mask_credentials(word)}': a schedule's file would show these credentials; put them"
            " into conf/local/ instead"
        )


def command_in(words: Sequence[str]) -> str:
    """The command of a start line that was read back, as people type it."""
    after = words[words.index("--") + 1 :] if "--" in words else words
    return shlex.join([program(), *after])
