"""Tells people how a scheduled run went: by a command of theirs, or a webhook."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.scheduling.settings import Notify

COMMAND_SECONDS = 60.0
WEBHOOK_SECONDS = 10.0
"""How long one try may take."""

PAUSES_SECONDS = (2.0, 10.0)
"""Between tries of a webhook: a short failure of the network must not lose an alarm."""


def tell(
    notify: Notify, report: Mapping[str, Any], project: Path, environment: Mapping[str, str]
) -> list[str]:
    """Hand a report that is free of secrets to whom it concerns; never raises.

    Gives one line for each notification: what was told, or why not. Without the address.
    """
    if report["exit_code"] == 0 and not notify.always:
        return []
    lines = []
    if notify.command:
        lines.append(_run(notify.command, report, project, environment))
    if notify.webhook:
        trouble = _post(notify.webhook, report)
        for pause in PAUSES_SECONDS:
            if trouble:
                time.sleep(pause)
                trouble = _post(notify.webhook, report)
        lines.append(f"the webhook was not reached: {trouble}" if trouble else "told by webhook")
    return lines


def _run(
    command: str, report: Mapping[str, Any], project: Path, environment: Mapping[str, str]
) -> str:
    # Short facts as variables, for commands that do not read JSON.
    short = ("name", "command", "exit_code", "verdict", "log", "host", "project")
    facts = {f"SCHEDULE_{key.upper()}": str(report[key]) for key in short}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=json.dumps(report, indent=2).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=project,
            env={**environment, **facts},
            timeout=COMMAND_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"notify.command did not end within {COMMAND_SECONDS:.0f} s and was stopped"
    except OSError as error:
        return f"notify.command could not be run: {error.strerror}"
    if done.returncode:
        return f"notify.command failed with exit code {done.returncode}"
    return "told by notify.command"


def _post(address: str, report: Mapping[str, Any]) -> str:
    """What went wrong, or nothing. Errors are named by their kind: their text may quote the URL."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stay(HTTPRedirectHandler):
        """A report goes to the address that was given and to no other."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    # What chat programs show.
    text = (
        f"{report['name']} on {report['host']}: {report['command']} ended with exit code"
        f" {report['exit_code']} after {report['seconds']} s. {report['verdict']}"
    )
    body = json.dumps({"text": text, **report}).encode()
    try:
        request = Request(address, body, {"Content-Type": "application/json"}, method="POST")
        with build_opener(Stay).open(request, timeout=WEBHOOK_SECONDS):
            return ""
    except HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except URLError as error:
        said = getattr(error.reason, "strerror", None)
        return said or type(error.reason).__name__
    except (OSError, HTTPException, ValueError) as error:
        return type(error).__name__
