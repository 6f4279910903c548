"""Kedro's configuration, with checked parameters and paths that carry each result's key."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.utils import find_kedro_project
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from alpkd_pipeline.errors import UserError, did_you_mean, user_error
from alpkd_pipeline.project.catalog_values import CatalogValues
from alpkd_pipeline.project.check import Conf, check, check_experiment
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.experiment_inputs import FORCE, parse_force
from alpkd_pipeline.project.parameters import repeat_command, words_to_values
from alpkd_pipeline.project.params import Params, RunParams
from alpkd_pipeline.project.presets import PresetInUse

EXACT = "exact"
"""A runtime parameter that replaces the whole parameter tree: nothing of conf/ is mixed in."""

COMMAND = "command"
"""A runtime parameter beside `exact`: the command line that people repeat the experiment with."""


def project_context(
    project: Path | None, env: str | None, given: Mapping[str, Any], conf_source: str | None = None
) -> Any:
    """Kedro's context of a project: its catalog and its configuration."""
    from kedro.framework.session import KedroSession

    session: Any
    with KedroSession.create(
        project, env=env, runtime_params=dict(given), conf_source=conf_source, save_on_close=False
    ) as session:
        return session.load_context()


def conf_store(project: Path, env: str | None) -> Path:
    """The store of a command that names none; the default one where conf/ cannot be read."""
    given = RunParams().store
    with suppress(UserError):
        given = project_context(project, env, {}).config_loader.params.run.store
    return (project / Path(given).expanduser()).resolve()


RESOLVING = threading.Lock()
"""A server answers requests in threads, and a process has one resolver of a name."""

ENVIRONMENT = re.compile(r"\w[\w.-]*", re.ASCII)
"""An environment is a folder of conf/ itself; its name also becomes a part of other names."""


class ConfigError(click.ClickException, UserError):
    """A wrong configuration: click prints its line, without a traceback, in every command."""

    def __init__(self, text: str) -> None:
        super().__init__(str(UserError(text)))


@contextmanager
def _one_line() -> Iterator[None]:
    """In which a user's error is a `ConfigError`, also where OmegaConf has wrapped it."""
    try:
        yield
    except Exception as error:
        cause = user_error(error)
        if cause is None:
            raise
        raise ConfigError(str(cause)) from None


def _renamed(name: str) -> Any:
    """What a catalog of an earlier version reads."""
    raise UserError(f"the catalog reads ${{cell:{name}}}: it is ${{experiment:{name}}} now")


class _ConfFiles(LocalFileSystem):
    """The files of conf/, found where the names of folders above it hold `[`, `?` or `*` too."""

    def glob(self, path: str, maxdepth: int | None = None, **kwargs: Any) -> list[str]:
        """The files of an environment; only what follows the environment's folder is a pattern."""
        conf = Path(self.storage_options["fo"]).as_posix()
        environment, _, pattern = path.removeprefix(f"{conf}/").partition("/")
        folder, wanted = f"{conf}/{environment}/", re.compile(glob_translate(pattern))
        return [file for file in self.find(folder) if wanted.match(file.removeprefix(folder))]


class ExperimentConfigLoader(OmegaConfigLoader):
    """Gives the catalog the paths of the experiment that these parameters define.

    The parameters are checked before anything else is loaded. `${experiment:...}` in the catalog
    reads from this loader's own experiment: resolvers are global to the process, so each loader
    binds its own while it resolves.
    """

    def __init__(
        self,
        conf_source: str,
        env: str | None = None,
        runtime_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """As in Kedro; `force` among the runtime parameters is an order, and no parameter."""
        given = dict(runtime_params or {})
        self._force, self._ordered = given.pop(FORCE, ""), time.time()
        given = given if EXACT in given else words_to_values(given)
        super().__init__(conf_source, env, given, **kwargs)

    @staticmethod
    def _initialise_filesystem_and_protocol(conf_source: str) -> tuple[Any, str]:
        """Kedro's own choice, but for local folders."""
        chosen, protocol = OmegaConfigLoader._initialise_filesystem_and_protocol(conf_source)
        return (_ConfFiles(fo=conf_source) if protocol == "file" else chosen), protocol

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The merged configuration of one kind: checked parameters, or the catalog with keys."""
        if key == "parameters":
            return self.params.plain()
        if key != "catalog":
            return super().__getitem__(key)
        values = CatalogValues(self.experiment, lambda: self.preset)
        with _one_line(), RESOLVING:
            OmegaConf.register_resolver("experiment", values, replace=True)
            OmegaConf.register_resolver("cell", _renamed, replace=True)
            return super().__getitem__(key)

    @cached_property
    def params(self) -> Params:
        """The checked parameters: from the exact set if one was handed over, else from conf/."""
        with _one_line():
            if EXACT in self.runtime_params:
                return check(self.runtime_params[EXACT])
            return self.conf.params(self.runtime_params)

    @cached_property
    def conf(self) -> Conf:
        """What conf/ and the command line say, for one experiment or for many."""
        with _one_line():
            return Conf(self._merged())

    @property
    def folders(self) -> list[Path]:
        """Where a file of the environment is looked for, the environment's own folder first."""
        names = dict.fromkeys((self.env or self.default_run_env, self.base_env))
        return [Path(self.conf_source) / name for name in names]

    @property
    def preset(self) -> PresetInUse | None:
        """What tuned presets set of these parameters; an exact set has nothing of conf/."""
        if EXACT in self.runtime_params:
            return None
        with _one_line():
            return self.conf.preset_of(self.runtime_params)

    def _merged(self) -> dict[str, Any]:
        """The parameters of base, environment and command line, not yet checked."""
        if self.env and not ENVIRONMENT.fullmatch(self.env):
            raise self._no_environment()
        try:
            return dict(super().__getitem__("parameters"))
        except MissingConfigException as error:
            folder = self.folders[0]
            if self.env and not folder.is_dir():
                raise self._no_environment() from None
            why = f"the parameters cannot be read: {_flat(error)}"
            missing = f"there is no {folder}: make that folder, which may be empty"
            raise UserError(why if folder.is_dir() else missing) from None
        except YAMLError as error:
            raise UserError(f"conf/ is not valid YAML: {_flat(error)}") from None
        except (OmegaConfBaseException, OSError, ValueError, TypeError, AttributeError) as error:
            # Such as the same key in two files, a list for a whole file, or ${a name} of nothing.
            raise UserError(f"the parameters cannot be put together: {_flat(error)}") from None

    def _no_environment(self) -> UserError:
        conf = Path(self.conf_source)
        there = sorted(p.name for p in conf.iterdir() if p.is_dir()) if conf.is_dir() else []
        hint = did_you_mean(str(self.env), there, "; {}")
        return UserError(
            f"no configuration environment '{self.env}' in {conf}{hint} (there are:"
            f" {', '.join(there) or 'none'})"
        )

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment of the parameters, checked as far as this machine's files allow."""
        project = find_kedro_project(Path(self.conf_source)) or Path.cwd()
        params, given = self.params, self.runtime_params
        command = given.get(COMMAND, "") if EXACT in given else repeat_command(self.env, given)
        with _one_line():
            experiment = Experiment(params, project, str(command))
            experiment.force, experiment.ordered = parse_force(str(self._force)), self._ordered
            check_experiment(experiment)
        return experiment


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())
