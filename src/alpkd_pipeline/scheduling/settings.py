"""What conf/ says about scheduled commands: their variables, whom to tell, and what is secret.

Variables stand in conf/local/schedule.env, notifications in conf/<env>/schedule.yml.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from alpkd_pipeline.errors import UserError, mask_credentials, said_of

ENV_FILE = Path("conf") / "local" / "schedule.env"
"""Variables for scheduled commands, one NAME=value a line; never printed."""

FILE = "schedule.yml"

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
    # What the log misses when the machine goes down is a line, not a buffer.
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


class Notify(BaseModel):
    """Whom to tell: a shell command that gets the report as JSON.

    Of good runs only if `when` is `always`, else of those whose exit code is not 0.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str = ""
    when: Literal["failure", "always"] = "failure"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    notify: Notify | None = None


def read_notify(project: Path) -> Notify:
    """What schedule.yml says; a UserError never shows a value, which may be secret."""
    try:
        return _File.model_validate(_section(project, "schedule", FILE)).notify or Notify()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise UserError(
            f"{FILE}: '{'.'.join(map(str, first['loc']))}': {said_of(first)}; there are"
            " notify.command, a shell command, and notify.when, failure or always"
        ) from None


def credential_values(project: Path) -> list[str]:
    """Every text and number among the project's credentials, so that it can be masked.

    A UserError refuses a webhook, of which earlier versions read the address there.
    """
    found = _section(project, "credentials", "credentials.yml")
    if "schedule_webhook" in found:
        raise UserError(
            "credentials: 'schedule_webhook' is read no more: have notify.command of"
            " conf/local/schedule.yml call curl as docs/schedules.md shows, and remove this entry"
        )
    return list(_texts(found))


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
