"""A runner that leaves out nodes that have nothing to do: nothing is loaded for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from kedro.io import CatalogProtocol, SharedMemoryCatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner

from alpkd_pipeline.store.artifact import ResolvedExperiment

if TYPE_CHECKING:
    from pluggy import PluginManager  # a part of Kedro

Catalog: TypeAlias = "CatalogProtocol[Any, Any] | SharedMemoryCatalogProtocol"

LATE = "stage.compare"
"""The tag of nodes whose need shows only after what runs before them."""


def needed(pipeline: Pipeline, catalog: Catalog) -> Pipeline:
    """The nodes to run: those whose missing results somebody wants.

    Wanted are the pipeline's final results and whatever a needed node reads. A result that is
    gone but that nobody needs, like the teacher of a finished student, is not made again.
    """
    producer = {name: node for node in pipeline.nodes for name in node.outputs}
    late = {node.name for node in pipeline.nodes if LATE in node.tags}
    todo: set[str] = set(late)
    want = {n for n in pipeline.outputs() if producer[n].name not in late}
    # What a late node waits for is a goal of its own.
    want |= {n for node in pipeline.nodes if node.name in late for n in node.inputs}
    want = {n for n in want if n in producer and not _is_there(catalog, n)}
    while want:
        node = producer[want.pop()]
        if node.name not in todo:
            todo.add(node.name)
            want |= {n for n in node.inputs if n in producer and not _is_there(catalog, n)}
    return pipeline.only_nodes(*todo) if todo else Pipeline([])


def _is_there(catalog: Catalog, name: str) -> bool:
    return name in catalog and catalog.exists(name)


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
        """Make what is wanted, as the hook before the run has found out, in order."""
        wanted = catalog.load("experiment").wants
        todo = [node.name for node in pipeline.nodes if wanted & {*node.outputs}]
        if todo:
            super().run(pipeline.only_nodes(*todo), catalog, hook_manager, run_id)
        return {name: catalog[name] for name in pipeline.outputs()}

    def _suggest_resume_scenario(
        self, pipeline: Pipeline, done_nodes: Iterable[Node], catalog: Catalog
    ) -> None:
        """Nothing to suggest: the same command goes on where this one stopped."""


TEACHER = "teacher.training.device"
DEVICE_OF = {"teacher": TEACHER, "signals": TEACHER, "student": "training.device"}
"""The parameter that names a stage's device."""


def check_devices(results: Iterable[str], experiment: ResolvedExperiment) -> None:
    """Refuse a device that is not there; without this a student's is missed after its teacher."""
    asked = {experiment.param(DEVICE_OF[name]) for name in results if name in DEVICE_OF}
    for device in sorted(asked - {"auto", "cpu"}):
        from alpkd_pipeline.training.devices import resolve_hardware  # and with it torch

        resolve_hardware(device, "auto", "auto")
