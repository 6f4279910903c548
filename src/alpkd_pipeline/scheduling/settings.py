"""What conf/ says about scheduled commands: their variables, whom to tell, and what is secret.

Variables stand in conf/local/schedule.env, notifications in conf/<env>/schedule.yml, the webhook in
credentials.yml: its address is itself a secret, since whoever has it can post.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from alpkd_pipeline.errors import UserError, mask_credentials

ENV_FILE = Path("conf") / "local" / "schedule.env"
"""Variables for scheduled commands, one NAME=value a line; never printed."""

FILE = "schedule.yml"
WEBHOOK = "schedule_webhook"
WHEN = ("failure", "always")
LOCAL = ("localhost", "127.0.0.1", "::1")

SHORTEST = 6
"""Characters of the shortest value that is masked: `1` and `true` are no secrets and are
everywhere."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_env_file(project: Path) -> dict[str, str]:
    """The variables of conf/local/schedule.env; none when there is no such file.

    Lines are `NAME=value`, with or without `export` and quotes; nothing is expanded.

    Raises:
        UserError: a line that is none; its text is not shown.
    """
    try:
        lines = (project / ENV_FILE).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{ENV_FILE} cannot be read: {type(error).__name__}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = map(str.strip, line.removeprefix("export ").partition("="))
        if not equals or not _NAME.fullmatch(name):
            raise UserError(f"{ENV_FILE}, line {number}: write NAME=value")
        quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
        found[name] = value[1:-1] if quoted else value
    return found


def child_environment(given: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """What a scheduled command runs with: cron gives next to nothing, `own` variables win."""
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


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell: a shell command that gets the report as JSON, an address to post it to.

    Of good runs only if `always`, else of those whose exit code is not 0.
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
    """What conf/ says about notifications; a UserError never shows a value that may be secret."""
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
    if webhook and not _can_be_posted_to(webhook):
        raise UserError(f"credentials: '{WEBHOOK}' should be an address that starts with https://")
    return Notify(command, webhook, when == "always")


def _refuse_others(found: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
    for name in found:
        if name not in known:
            raise UserError(f"{place}: unknown entry '{name}'; there are {', '.join(known)}")


def _can_be_posted_to(webhook: Any) -> bool:
    if not isinstance(webhook, str) or not webhook.isprintable() or " " in webhook:
        return False
    try:
        scheme, host = urlsplit(webhook).scheme, urlsplit(webhook).hostname
    except ValueError:
        return False
    # Without encryption only to this machine.
    return bool(host) and (scheme == "https" or (scheme == "http" and host in LOCAL))


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


def credential_values(project: Path) -> list[str]:
    """Every text and number among the project's credentials, so that it can be masked."""
    return list(_texts(_section(project, "credentials", "credentials.yml")))


def _texts(found: Any) -> Iterator[str]:
    if isinstance(found, Mapping | list):
        for value in found.values() if isinstance(found, Mapping) else found:
            yield from _texts(value)
    elif isinstance(found, str | int | float) and not isinstance(found, bool):
        yield str(found)


class Masking:
    """Replaces secrets, of those with several lines each line, and credentials in addresses."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # Output is masked line by line, and a key in PEM has many.
        parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
        # The longest first: one value may hold another.
        known = sorted((p for p in parts if len(p) >= SHORTEST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text with everything masked."""
        text = self._pattern.sub("***", text) if self._pattern else text
        return mask_credentials(text)
