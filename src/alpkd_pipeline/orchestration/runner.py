"""A runner that leaves out nodes that have nothing to do: nothing is loaded for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner

from alpkd_pipeline.orchestration.needed import Catalog

if TYPE_CHECKING:
    from pluggy import PluginManager  # a part of Kedro


class StageRunner(SequentialRunner):
    """Runs the nodes whose results are missing and wanted; all else is done by the steps."""

    @property
    def _logger(self) -> logging.Logger:
        # Kedro logs under the subclass's module; its lines belong to Kedro.
        return logging.getLogger("kedro.runner")

    def run(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
        only_missing_outputs: bool = False,
    ) -> dict[str, Any]:
        """Make what is wanted, as the hook before the run has found out, in order.

        Returns:
            The pipeline's final datasets by name.
        """
        wanted = catalog.load("experiment").wants
        todo = [node.name for node in pipeline.nodes if wanted & {*node.outputs}]
        if todo:
            super().run(pipeline.only_nodes(*todo), catalog, hook_manager, run_id)
        return {name: catalog[name] for name in pipeline.outputs()}

    def _suggest_resume_scenario(
        self, pipeline: Pipeline, done_nodes: Iterable[Node], catalog: Catalog
    ) -> None:
        """Nothing to suggest: the same command goes on where this one stopped."""
