"""Calendar expressions of systemd, as systemd itself reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from alpkd_pipeline.errors import UserError

NEVER = "never"
TIMEOUT_SECONDS = 10.0

_NEXT = re.compile(r"Next elapse: (.+)")


def next_elapse(expression: str) -> str | None:
    """When a calendar expression comes next, as systemd says it; checks it on the way.

    Args:
        expression: for `OnCalendar=`, such as `Sun 03:00`; see systemd.time(7).

    Returns:
        A moment with its time zone, or None where systemd cannot be asked.

    Raises:
        UserError: systemd does not understand it, or it never comes.
    """
    if not expression.strip() or not expression.isprintable():
        raise UserError("--on-calendar is empty or has control characters: give 'Sun 03:00'")
    said = _asked(expression)
    if said is None:
        return None
    found = _NEXT.search(said)
    if found is None:
        raise UserError(
            f"--on-calendar '{expression}': systemd does not understand it; examples: 'Sun 03:00',"
            " 'daily', '*-*-01 04:30' (man systemd.time)"
        )
    if found[1] == NEVER:
        raise UserError(f"--on-calendar '{expression}' lies in the past: it would never run")
    return found[1].strip()


def _asked(expression: str) -> str | None:
    program = shutil.which("systemd-analyze")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "calendar", "--iterations=1", "--", expression],
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout
