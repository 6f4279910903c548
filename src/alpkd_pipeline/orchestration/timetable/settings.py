"""Whom a scheduled run tells how it went: conf/<env>/schedule.yml, and a webhook in credentials.

The webhook's address is itself a secret: whoever has it can post.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from alpkd_pipeline.errors import UserError

WEBHOOK = "schedule_webhook"
FILE = "schedule.yml"
WHEN = ("failure", "always")
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell.

    Attributes:
        command: a shell command that gets the report as JSON; empty for none.
        webhook: an address to post it to; empty for none. Never shown.
        always: tell of good runs too, not only of those whose exit code is not 0.
    """

    command: str = ""
    webhook: str = field(default="", repr=False)
    always: bool = False

    @property
    def secrets(self) -> list[str]:
        """The parts of the webhook's address that let one post, as they may stand alone."""
        parts = urlsplit(self.webhook)
        values = [pair.partition("=")[2] or pair for pair in parts.query.split("&")]
        said = [parts.path, parts.password or "", parts.fragment, parts.query, *values]
        return [*said, *map(unquote, said), *map(unquote_plus, values)]


def read_notify(project: Path) -> Notify:
    """What conf/ says about notifications.

    Raises:
        UserError: names the file, the entry and what is allowed; never a value that may be secret.
    """
    found = _section(project, "schedule", FILE)
    _refuse_others(found, ("notify",), FILE)
    notify = found.get("notify") or {}
    if not isinstance(notify, Mapping):
        raise UserError(f"{FILE}: 'notify' should be a block with 'command' and 'when'")
    _refuse_others(notify, ("command", "when"), f"{FILE}, notify")
    command, when = notify.get("command") or "", notify.get("when", WHEN[0])
    if not isinstance(command, str):
        raise UserError(f"{FILE}: 'notify.command' should be one shell command, as text")
    if when not in WHEN:
        raise UserError(f"{FILE}: 'notify.when' = {when!r}: should be {' or '.join(WHEN)}")
    webhook = _section(project, "credentials", "credentials.yml").get(WEBHOOK) or ""
    _check_webhook(webhook)
    return Notify(command, webhook, when == "always")


def credential_values(project: Path) -> list[str]:
    """Every text and number among the project's credentials, so that it can be masked."""
    return list(_texts(_section(project, "credentials", "credentials.yml")))


def _texts(found: Any) -> Iterator[str]:
    if isinstance(found, Mapping):
        found = list(found.values())
    if isinstance(found, list):
        for value in found:
            yield from _texts(value)
    elif isinstance(found, str | int | float) and not isinstance(found, bool):
        yield str(found)


def _section(project: Path, kind: str, file: str) -> dict[str, Any]:
    """One kind of configuration of base and local, merged as Kedro does."""
    from kedro.config import MissingConfigException, OmegaConfigLoader

    try:
        with warnings.catch_warnings():
            # cron sends mail about every line, and nobody can do anything about this one.
            warnings.filterwarnings("ignore", message=r".*register_new_resolver\(\)")
            loader = OmegaConfigLoader(
                str(project / "conf"),
                base_env="base",
                default_run_env="local",
                config_patterns={"schedule": ["schedule*"]},
            )
            return dict(loader[kind])
    except MissingConfigException:
        return {}
    except Exception as error:
        # The error's text quotes the file, which may hold secrets.
        raise UserError(
            f"{file} in conf/ cannot be read ({type(error).__name__}): check that it is valid YAML"
        ) from None


def _refuse_others(found: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for name in found:
        if name not in known:
            raise UserError(f"{place}: unknown entry '{name}'; there are {', '.join(known)}")


def _check_webhook(webhook: Any) -> None:
    try:
        parts = urlsplit(webhook) if isinstance(webhook, str) else None
        good = parts is not None and webhook.isprintable() and " " not in webhook
        scheme, host = (parts.scheme, parts.hostname) if parts and good else ("", None)
    except ValueError:
        scheme, host = "", None
    # Without encryption only to this machine.
    if webhook and not (host and (scheme == "https" or (scheme == "http" and host in LOCAL))):
        raise UserError(f"credentials: '{WEBHOOK}' should be an address that starts with https://")
