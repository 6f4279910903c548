"""The environment of a scheduled command: cron gives next to none."""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from alpkd_pipeline.errors import UserError

ENV_FILE = Path("conf") / "local" / "schedule.env"
"""Variables for scheduled commands, one NAME=value a line; never printed."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env_file(project: Path) -> dict[str, str]:
    """The variables of conf/local/schedule.env; none when there is no such file.

    Lines are `NAME=value`, with or without `export` and quotes; nothing is expanded.

    Raises:
        UserError: a line that is none; its text is not shown.
    """
    path = project / ENV_FILE
    if not path.is_file():
        return {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{ENV_FILE} cannot be read: {type(error).__name__}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if not equals or not _NAME.fullmatch(name.strip()):
            raise UserError(f"{ENV_FILE}, line {number}: write NAME=value")
        found[name.strip()] = _unquoted(value.strip())
    return found


def child_environment(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """What a scheduled command runs with.

    Args:
        given: the variables of the process that the scheduler started.
        own: those of conf/local/schedule.env; they win.
    """
    environment = {**given, **own}
    # `git`, `nvidia-smi` and the programs of the virtual environment are looked for here.
    places = [str(Path(sys.executable).parent), environment.get("PATH") or os.defpath]
    environment["PATH"] = os.pathsep.join(places)
    if sys.prefix != sys.base_prefix:
        environment["VIRTUAL_ENV"] = sys.prefix
    environment.setdefault("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    # What the log misses when the machine goes down is a line, not a buffer.
    environment["PYTHONUNBUFFERED"] = "1"
    environment.setdefault("PYTHONIOENCODING", "utf-8")
    return environment


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
