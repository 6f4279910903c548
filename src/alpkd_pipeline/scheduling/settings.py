"""What conf/ says about scheduled commands: their variables, whom to tell, and what is secret.

Variables stand in conf/local/schedule.env, notifications in conf/<env>/schedule.yml.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from alpkd_pipeline.errors import UserError, mask_credentials, said_of

ENV_FILE = Path("conf") / "local" / "schedule.env"  # its values are never printed
# Characters of the shortest value that is masked: `1` and `true` are no secrets and are everywhere.
SHORTEST = 6

_LINE = re.compile(r"""(?:export )?\s*([a-z_]\w*)\s*=\s*(["']?)(.*)\2""", re.ASCII | re.IGNORECASE)


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
    found = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line and not line.startswith("#"):
            if not (parts := _LINE.fullmatch(line)):
                raise UserError(f"{ENV_FILE}, line {number}: write NAME=value")
            found[parts[1]] = parts[3]
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


class Notify(BaseModel, extra="forbid", frozen=True):
    """Whom to tell: a shell command that gets the report as JSON.

    Of good runs only if `when` is `always`, else of those whose exit code is not 0.
    """

    command: str = ""
    when: Literal["failure", "always"] = "failure"


class _File(BaseModel, extra="forbid"):
    notify: Notify | None = None


def read_notify(project: Path) -> Notify:
    """What schedule.yml says; a UserError never shows a value, which may be secret."""
    try:
        return _File.model_validate(_section(project, "schedule")).notify or Notify()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise UserError(
            f"schedule.yml: '{'.'.join(map(str, first['loc']))}': {said_of(first)}; there are"
            " notify.command, a shell command, and notify.when, failure or always"
        ) from None


def credential_values(project: Path) -> list[str]:
    """Every text and number among the project's credentials, so that it can be masked.

    A UserError refuses a webhook, of which earlier versions read the address there.
    """
    found = _section(project, "credentials")
    if "schedule_webhook" in found:
        raise UserError(
            "credentials: 'schedule_webhook' is read no more: have notify.command of"
            " conf/local/schedule.yml call curl as docs/schedules.md shows, and remove this entry"
        )
    return list(_texts(found))


def _section(project: Path, kind: str) -> dict[str, Any]:
    """One kind of configuration of base and local, merged as Kedro does."""
    from kedro.config import MissingConfigException, OmegaConfigLoader

    try:
        return dict(
            OmegaConfigLoader(
                str(project / "conf"),
                base_env="base",
                default_run_env="local",
                config_patterns={"schedule": ["schedule*"]},
            )[kind]
        )
    except MissingConfigException:
        return {}
    except Exception as error:
        # The error's text quotes the file, which may hold secrets.
        raise UserError(
            f"{kind}.yml in conf/ cannot be read ({type(error).__name__}): is it valid YAML?"
        ) from None


def _texts(found: Any) -> Iterator[str]:
    if isinstance(found, Mapping | list):
        for value in found.values() if isinstance(found, Mapping) else found:
            yield from _texts(value)
    elif isinstance(found, str | int | float) and not isinstance(found, bool):
        yield str(found)


def masking(secrets: Iterable[str]) -> Callable[[str], str]:
    """What replaces secrets, of those with several lines each line, and credentials in addresses
    of a text."""
    # Output is masked line by line, and a key in PEM has many.
    lines = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
    # The longest first: one value may hold another.
    known = sorted((line for line in lines if len(line) >= SHORTEST), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, known)) or r"(?!)")  # nothing, if there is none
    return lambda text: mask_credentials(pattern.sub("***", text))
