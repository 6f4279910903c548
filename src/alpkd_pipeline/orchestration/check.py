"""From merged configuration to the checked, complete parameters of one cell."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from alpkd_pipeline.distillation.method_table import get_row, resolve_method
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.params import MethodParams, Params, validate


def check(raw: dict[str, Any]) -> Params:
    """Check parameters and fill in what the chosen method leaves open.

    Args:
        raw: nested dictionaries as merged from YAML and the command line. The key `methods` holds
            each method's preset for the environment; an explicit value in `method` wins over it.

    Raises:
        UserError: one line that names the first wrong key, its value and what is allowed.
    """
    values = {key: value for key, value in raw.items() if key != "methods"}
    presets = _checked_presets(raw.get("methods"))
    method = values.get("method")
    if isinstance(method, dict):
        values["method"] = {**presets.get(str(method.get("name")), {}), **method}
    params = validate(values)
    return params.model_copy(update={"method": _complete(params.method)})


def _checked_presets(raw: Any) -> dict[Any, dict[str, Any]]:
    """Every method's preset; all of them are checked, also those that this cell does not use."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise UserError(f"parameter 'methods' = {raw!r}: should map method names to presets")
    presets = {name: preset or {} for name, preset in raw.items()}
    for name, preset in presets.items():
        get_row(str(name))
        if not isinstance(preset, dict):
            raise UserError(f"parameter 'methods.{name}' = {preset!r}: should map names to values")
        try:
            _complete(MethodParams.model_validate({"name": name, **preset}))
        except (UserError, ValidationError) as error:
            problem = error.errors()[0] if isinstance(error, ValidationError) else None
            told = f"{problem['loc'][0]}: {problem['msg']}" if problem else str(error)
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
    return MethodParams.model_validate({"pooling": method.pooling, **settings.to_dict()})
