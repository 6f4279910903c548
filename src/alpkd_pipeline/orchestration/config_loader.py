"""Kedro's configuration, with checked parameters and paths that carry each result's key."""

from __future__ import annotations

import shlex
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import click
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.utils import find_kedro_project
from omegaconf import OmegaConf
from yaml import YAMLError

from alpkd_pipeline.errors import UserError, user_error
from alpkd_pipeline.orchestration.catalog_values import lookup
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.cell_checks import check_cell
from alpkd_pipeline.orchestration.check import check
from alpkd_pipeline.params import Params

EXACT = "exact"
"""A runtime parameter that replaces the whole parameter tree: nothing of conf/ is mixed in."""

COMMAND = "command"
"""A runtime parameter beside `exact`: the command line that people repeat the cell with."""

_WORDS = {"true": True, "false": False, "null": None}


class ConfigError(click.ClickException, UserError):
    """A wrong configuration: click prints its line, without a traceback, in every command."""


class CellConfigLoader(OmegaConfigLoader):
    """Gives the catalog the paths of the cell that these parameters define.

    The parameters are checked before anything else is loaded. `${cell:...}` in the catalog reads
    from this loader's own cell: resolvers are global to the process, so each loader binds its own
    before it resolves.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The merged configuration of one kind: checked parameters, or the catalog with keys."""
        if key == "parameters":
            return self.params.plain()
        if key != "catalog":
            return super().__getitem__(key)
        OmegaConf.register_resolver("cell", partial(lookup, self.cell), replace=True)
        try:
            return super().__getitem__(key)
        except Exception as error:  # OmegaConf wraps what a resolver raises
            cause = user_error(error)
            if cause is None:
                raise
            raise ConfigError(str(cause)) from None

    @cached_property
    def params(self) -> Params:
        """The checked parameters: from the exact set if one was handed over, else from conf/."""
        try:
            given = self.runtime_params or {}
            if EXACT in given:
                return check(given[EXACT])
            self.runtime_params = _words_to_values(given)
            return check(super().__getitem__("parameters"))
        except UserError as error:
            raise ConfigError(str(error)) from None
        except MissingConfigException:
            there = sorted(p.name for p in Path(self.conf_source).iterdir() if p.is_dir())
            raise ConfigError(
                f"no configuration environment '{self.env}' in {self.conf_source}; there are:"
                f" {', '.join(there)}"
            ) from None
        except YAMLError as error:
            raise ConfigError(f"conf/ is not valid YAML: {' '.join(str(error).split())}") from None

    @cached_property
    def cell(self) -> Cell:
        """The cell that the parameters define, checked as far as this machine's files allow."""
        project = find_kedro_project(Path(self.conf_source)) or Path.cwd()
        try:
            cell = Cell(self.params, project, self._command())
            check_cell(cell)
        except UserError as error:
            raise ConfigError(str(error)) from None
        return cell

    def _command(self) -> str:
        """The command line that gives these parameters from this configuration."""
        asked = self.runtime_params or {}
        if EXACT in asked:
            return str(asked.get(COMMAND, ""))
        given = _flat({k: v for k, v in asked.items() if k != "run"})
        parts = ["kedro", "run", "--pipeline=distill"]
        if self.env:
            parts.append(f"--env={self.env}")
        if given:
            pairs = ",".join(f"{name}={_as_typed(value)}" for name, value in given.items())
            parts.append(f"--params={pairs}")
        return shlex.join(parts)


def _flat(given: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {}
        found |= inner or {f"{prefix}{key}": value}
    return found


def _as_typed(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, list | tuple):
        return "|".join(map(str, value))
    words = {id(word): name for name, word in _WORDS.items()}
    return words.get(id(value), str(value))


def _words_to_values(given: Any) -> Any:
    """Kedro turns numbers on the command line into numbers; this adds true, false and null."""
    if isinstance(given, dict):
        return {key: _words_to_values(value) for key, value in given.items()}
    return _WORDS.get(given, given) if isinstance(given, str) else given
