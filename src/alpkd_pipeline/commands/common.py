"""What the commands share: the project, its options, how they are stopped, errors of one line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial, wraps
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.cli.utils import _split_params
from kedro.utils import find_kedro_project
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from alpkd_pipeline.errors import UserError, did_you_mean, mask_credentials, program, user_error
from alpkd_pipeline.store.layout import store_folder

if TYPE_CHECKING:
    from alpkd_pipeline.project.config_loader import ExperimentConfigLoader

Command = Callable[..., "int | None"]
"""What a command does; gives its exit code, or None for 0."""


@dataclass(frozen=True)
class Project:
    """The project that a command is for, with the options that say how to read its conf/."""

    root: Path
    env: str | None
    params: dict[str, Any]
    conf_source: str | None = None

    @cached_property
    def context(self) -> Any:
        """Kedro's context: the catalog and the configuration."""
        from alpkd_pipeline.project.config_loader import project_context

        return project_context(self.root, self.env, self.params, self.conf_source)

    @property
    def loader(self) -> ExperimentConfigLoader:
        """The configuration with the parameters of the command line."""
        return self.context.config_loader

    @property
    def store(self) -> Path:
        """The folder of all results; the other parameters need not be possible."""
        store = store_folder(self.root, self.loader.params.run.store)
        if not store.is_dir():
            raise UserError(f"there is no store {store}: `kedro run` makes it, or set run.store")
        return store

    @property
    def compared(self) -> Path:
        """The store that a comparison reads; it need not be there where claims are read too."""
        given = self.loader.params
        return store_folder(self.root, given.run.store) if given.compare.claims else self.store


def project_options(params_help: str) -> Callable[[Command], Command]:
    """`--env` and `--params` for a command, which is called with the `Project` that they give.

    A user's error in it is one line, and what it returns is the exit code.
    """

    def decorate(command: Command) -> Command:
        @click.option("--env", "-e", help="Kedro configuration environment.")
        @click.option("--params", default="", callback=read_params, help=params_help)
        @click.pass_obj
        @wraps(command)
        def called(obj: object, /, env: str | None, params: dict[str, Any], **given: Any) -> None:
            root = Path(getattr(obj, "project_path", Path.cwd()))
            with one_line_errors(root):
                code = command(Project(root, env, params), **given)
            if code:
                raise click.exceptions.Exit(code)

        return called

    return decorate


def campaign_options(what: str, dry_run: str, only: str) -> Callable[[Command], Command]:
    """What a sweep and a search ask in other words: how many at once, where, and which of them."""
    options = (
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            help=f"{what} at the same time; by default as many as the GPUs or the processors"
            " allow.",
        ),
        click.option("--dry-run", is_flag=True, help=dry_run),
        click.option("--only", default="", metavar="WHICH", help=only),
        click.option(
            "--engine",
            type=click.Choice(("local", "ray")),
            default="local",
            help="Where workers run.",
        ),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def stoppable(command: Callable[..., int]) -> Command:
    """SIGTERM stops workers and prints the table, as Ctrl-C does; the exit code says which."""

    @wraps(command)
    def called(*given: Any, **named: Any) -> int:
        code = 130

        def stop(_number: int, _frame: FrameType | None) -> None:
            nonlocal code
            code = 143
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, stop)
        try:
            ended = command(*given, **named)
        except KeyboardInterrupt:
            ended = 130
        finally:
            signal.signal(signal.SIGTERM, before)
        return code if ended == 130 else ended

    return called


UNREADABLE = (YAMLError, OmegaConfBaseException, ValueError, LookupError, RecursionError)
"""What the parsers below Kedro raise: YAML's, OmegaConf's, and Python's for text and numbers."""


def read_params(context: click.Context, option: click.Parameter, value: Any) -> dict[str, Any]:
    """Turn `a.b=1,c=2` into nested parameters, as Kedro reads them; a click callback.

    What cannot be read is one line that names the parameter and never quotes the value, which may
    be an address with a password.
    """
    try:
        return dict(_split_params(context, option, value))
    except click.UsageError as error:
        hint = "; a list is written with bars, a|b, or in conf/" if "[" in str(value) else ""
        raise click.ClickException(f"--params: {error.message.rstrip('.')}{hint}") from None
    except UNREADABLE:
        name = _first_unreadable(context, option, value)
        raise click.ClickException(
            f"--params: {name!r} or its value cannot be read as YAML, where some characters have a"
            " meaning (@ * & ! % ` { [ \" ' and $ before {); write it in conf/, or inside double"
            f" quotes: --params='{name}=\"...\"'"
        ) from None


def unknown(kind: str, name: str, known: Sequence[str], where: str = "") -> click.ClickException:
    """What to raise for a name that is not among the known ones."""
    there = f"(there are: {', '.join(known) or 'none'})"
    return click.ClickException(
        f"unknown {kind} '{name}'{where}{did_you_mean(name, known, '; {}')} {there}"
    )


def command_line() -> str:
    """This process's command line as it may be written down: without passwords in addresses."""
    return mask_credentials(" ".join([program(), *sys.argv[1:]]))


def _first_unreadable(context: click.Context, option: click.Parameter, value: str) -> str:
    for item in value.split(","):
        try:
            _split_params(context, option, item)
        except click.UsageError:
            continue
        except UNREADABLE:
            return item.partition("=")[0].strip()
    return value.partition("=")[0].strip()


@contextmanager
def one_line_errors(project: Path | None = None) -> Iterator[None]:
    """A context in which a user's error, however wrapped, becomes Click's own one line.

    `project`: the one that commands are typed in; by default that of the working folder.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        cause = user_error(error)
        if cause is None:
            raise
        from alpkd_pipeline.project.config_loader import conf_store
        from alpkd_pipeline.store.lineage import with_commands

        root = project or find_kedro_project(Path.cwd()) or Path.cwd()
        told = with_commands(cause, partial(conf_store, root))
        raise click.ClickException(str(told)) from None
