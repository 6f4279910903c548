"""A schedule: a command of the project as a scheduler starts it, and as units for systemd."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from alpkd_pipeline.errors import UserError, mask_credentials, module
from alpkd_pipeline.experiments.ray_driver import PASSED_ON

STILL_RUNNING = 75
"""The exit code of a start that found another one running: EX_TEMPFAIL of sysexits.h."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_SAFE = re.compile(r"[\w@+=:,./-]+", re.ASCII)

# `%` starts a specifier, and `$` a variable.
_ESCAPED = str.maketrans({"%": "%%", "$": "$$", '"': r"\""})


def start_words(project: Path, name: str, command: Sequence[str]) -> list[str]:
    """What a scheduler is to start in the project's folder for a command without `kedro`, with this
    interpreter and those variables of this shell that results depend on.

    Raises:
        UserError: a name, a command or a path that a scheduler's file cannot carry.
    """
    check_name(name)
    variables = [f"{key}={os.environ[key]}" for key in PASSED_ON if os.environ.get(key)]
    words = [*(["/usr/bin/env"] if variables else []), *variables, sys.executable, "-m", module()]
    words += ["schedule", "--start", name, "--", *command]
    for word in (str(project), *words):
        if not word.isprintable() or "\\" in word:
            raise UserError(
                f"{word!r} has a backslash, a line break or a control character, which crontab and"
                " systemd would not pass on unchanged: put such values into conf/"
            )
        if mask_credentials(word) != word:
            raise UserError(
                f"'{mask_credentials(word)}': a schedule's file would show these credentials; put"
                " them into conf/local/ instead"
            )
    return words


def check_name(name: str) -> None:
    """Refuse a name that is no plain file name; raises UserError."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"schedule name {name!r}: use up to 40 letters, digits, - and _, such as weekly"
        )


def unit_files(project: Path, name: str, start: Sequence[str], when: str) -> dict[str, str]:
    """The texts of a schedule's service and timer for systemd, which judges `when`, by file name.

    No other project has units of the same names.
    """
    place = str(project).replace("%", "%%")
    words = (w if _SAFE.fullmatch(w) else f'"{w.translate(_ESCAPED)}"' for w in start)
    # The command gets SIGTERM from its parent alone: a second one would stop it at once.
    service = f"""[Unit]
Description=alpkd_pipeline: {name} ({place})

[Service]
Type=oneshot
WorkingDirectory={place}
ExecStart={" ".join(words)}
KillMode=mixed
SuccessExitStatus={STILL_RUNNING}
"""
    # What was missed while the machine was off is made up for.
    timer = f"""[Timer]
OnCalendar={when}
Persistent=true

[Install]
WantedBy=timers.target
"""
    unit = f"alpkd-{name}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}"
    return {f"{unit}.service": service, f"{unit}.timer": timer}
