"""Configuration loaders as a Kedro command makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[2]
Load = Callable[..., ExperimentConfigLoader]


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    out: dict[str, Any] = {}
    for path, value in flat.items():
        block = out
        *parents, last = path.split(".")
        for parent in parents:
            block = block.setdefault(parent, {})
        block[last] = value
    return out


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A loader of the project's conf/ with some parameters as from the command line."""

    def make(flat: dict[str, Any] | None = None, env: str | None = None) -> ExperimentConfigLoader:
        given = nested({"run.store": str(tmp_path / "store"), **(flat or {})})
        return ExperimentConfigLoader(
            str(PROJECT / "conf"), env=env, runtime_params=given, **CONFIG_LOADER_ARGS
        )

    return make
