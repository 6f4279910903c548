"""From merged configuration to the checked, complete parameters of one cell."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from pydantic import ValidationError

from alpkd_pipeline.distillation.method_table import get_row, resolve_method
from alpkd_pipeline.errors import UserError, first_problem, quoted
from alpkd_pipeline.orchestration.parameters import merged
from alpkd_pipeline.orchestration.tuning.preset import (
    TUNED,
    PresetInUse,
    matching,
    preset_in_use,
    read_presets,
    tuned,
)
from alpkd_pipeline.params import MethodParams, Params, validate

METHODS = "methods"
"""The parameter that holds the methods' presets for an environment."""


def check(raw: dict[str, Any], on_top: dict[str, Any] | None = None) -> Params:
    """Check parameters and fill in what the chosen method leaves open.

    Args:
        raw: nested dictionaries as merged from YAML and the command line. The key `methods` holds
            each method's preset for the environment; an explicit value in `method` wins over it.
            The key `tuned` holds what searches found; it wins over both.
        on_top: the part of `raw` that wins over `tuned` too, such as the command line.

    Raises:
        UserError: one line that names the first wrong key, its value and what is allowed.
    """
    return Conf(raw).params(on_top or {})


class Conf:
    """What conf/ says, its presets checked once for any number of cells."""

    def __init__(self, raw: dict[str, Any]) -> None:
        """Check the presets.

        Args:
            raw: as for `check`.

        Raises:
            UserError: one line that names the first wrong preset.
        """
        if not isinstance(raw, Mapping):
            raise UserError(f"the parameters are {quoted(raw)}: should map names to values")
        self._values = _without_presets(raw)
        self._presets = _checked_presets(raw.get(METHODS))
        self._tuned = read_presets(raw.get(TUNED))

    def params(self, on_top: dict[str, Any]) -> Params:
        """The complete parameters of one cell.

        Args:
            on_top: nested parameters that win over everything in conf/.

        Raises:
            UserError: one line that names the first wrong key, its value and what is allowed.
        """
        explicit = _without_presets(on_top)
        values = self._below_tuned(explicit)
        params = validate(merged(tuned(values, self._tuned), explicit))
        return params.model_copy(update={"method": _complete(params.method)})

    def _below_tuned(self, explicit: Mapping[str, Any]) -> dict[str, Any]:
        values = merged(self._values, explicit)
        method = values.get("method")
        if isinstance(method, dict):
            name = method.get("name")
            preset = self._presets.get(name, {}) if isinstance(name, str) else {}
            values["method"] = {**preset, **method}
        return values

    def preset_of(self, on_top: dict[str, Any]) -> PresetInUse | None:
        """What tuned presets set of a cell, with the arguments and errors of `params`."""
        explicit = _without_presets(on_top)
        found = matching(self._below_tuned(explicit), self._tuned)
        return preset_in_use(found, explicit, self.params(on_top).plain()) if found else None

    def without_tuned(self, where: Mapping[str, Any]) -> Conf:
        """The same without what an earlier search found for exactly these cells.

        Args:
            where: as it stands in the entry.
        """
        other = copy(self)
        other._tuned = tuple(preset for preset in self._tuned if dict(preset.where) != where)
        return other


def _without_presets(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in (METHODS, TUNED)}


def _checked_presets(raw: Any) -> dict[Any, dict[str, Any]]:
    """Every method's preset; all of them are checked, also those that this cell does not use."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise UserError(f"parameter 'methods' = {quoted(raw)}: should map method names to presets")
    presets = {name: preset or {} for name, preset in raw.items()}
    for name, preset in presets.items():
        get_row(str(name))
        if not isinstance(preset, dict):
            raise UserError(
                f"parameter 'methods.{name}' = {quoted(preset)}: should map names to values"
            )
        try:
            _complete(MethodParams.model_validate({"name": name, **preset}))
        except (UserError, ValidationError) as error:
            told = str(error) if isinstance(error, UserError) else first_problem(error, preset)
            raise UserError(f"parameter 'methods.{name}': {told}") from None
    return presets


def _complete(method: MethodParams) -> MethodParams:
    """The method with every default filled in, and without what has no effect on it."""
    settings = resolve_method(
        method.name,
        {"beta": method.beta, "eta": method.eta, "lambda": method.lambda_},
        method.temperature,
        {"projection": method.projection, **method.options},
    )
    given = "pooling" in method.model_fields_set
    pooling = method.pooling if given else get_row(method.name).pooling
    return MethodParams.model_validate({"pooling": pooling, **settings.to_dict()})
