"""Which nodes of a pipeline have something to do."""

from __future__ import annotations

from typing import Any, TypeAlias

from kedro.io import CatalogProtocol, SharedMemoryCatalogProtocol
from kedro.pipeline import Pipeline

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
