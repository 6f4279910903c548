"""From merged configuration to the checked, complete parameters of one cell."""

from __future__ import annotations

from typing import Any

from alpkd_pipeline.distillation.method_table import resolve_method
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
    method = values.get("method")
    if isinstance(method, dict):
        preset = (raw.get("methods") or {}).get(method.get("name")) or {}
        values["method"] = {**preset, **method}
    params = validate(values)
    return params.model_copy(update={"method": _complete(params.method)})


def _complete(method: MethodParams) -> MethodParams:
    """The method with every default filled in, and without what has no effect on it."""
    settings = resolve_method(
        method.name,
        {"beta": method.beta, "eta": method.eta, "lambda": method.lambda_},
        method.temperature,
        {"projection": method.projection, **method.options},
    )
    return MethodParams.model_validate({"pooling": method.pooling, **settings.to_dict()})
