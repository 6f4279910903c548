"""Kedro's settings of this project."""

import warnings
from types import ModuleType
from typing import Any

# omegaconf has renamed a function that Kedro still calls by its old name.
warnings.filterwarnings("ignore", message=r".*register_new_resolver\(\) is deprecated")

from alpkd_pipeline.datasets.inputs import PlainCatalog  # noqa: E402
from alpkd_pipeline.hooks import RunHooks  # noqa: E402
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader  # noqa: E402

# pluggy passes over a plugin whose name is taken, and does not even import it: kedro-mlflow would
# track every run a second time, in files by default, which MLflow refuses with an error.
HOOKS = (RunHooks(), ModuleType("mlflow_hook"))
# Neither has anything to add to a run: one reports usage, one draws finished pipelines.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry", "kedro-viz")
DATA_CATALOG_CLASS = PlainCatalog
CONFIG_LOADER_CLASS = ExperimentConfigLoader
CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment adds to base; the default would drop the rest of each block it touches.
    "merge_strategy": {"parameters": "soft"},
}
