"""What people type before a command: `kedro` in the project, `alpkd` where the package is all."""

from __future__ import annotations

import os
import re
from pathlib import Path

PROGRAM = "ALPKD_PROGRAM"
"""The environment variable that tells it to the processes that a command starts."""

COMMAND_NAMES = "catalog|claim|pair|prune|rerun|run|schedule|sweep|sync|tune|verify"
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
