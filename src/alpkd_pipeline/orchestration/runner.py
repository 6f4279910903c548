"""A runner that works like make: what is there under its key is used, what is missing is made."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from filelock import FileLock, Timeout
from kedro.io import CatalogProtocol, SharedMemoryCatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from pluggy import PluginManager

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.devices import check_devices
from alpkd_pipeline.orchestration.stage import FORCE_NAMES
from alpkd_pipeline.runs.disk import room_for
from alpkd_pipeline.runs.locks import lock_file

log = logging.getLogger(__name__)

Catalog: TypeAlias = "CatalogProtocol[Any, Any] | SharedMemoryCatalogProtocol"

LATE = "stage.compare"
"""The tag of nodes whose need shows only after what runs before them."""


class StageRunner(SequentialRunner):
    """Runs the nodes whose results are missing and wanted, each under the lock of its key."""

    def __init__(self, is_async: bool = False, force: str = "") -> None:
        """Choose what to make again.

        Args:
            is_async: as in Kedro.
            force: stage names joined by `+`, or `all`.

        Raises:
            UserError: an unknown stage.
        """
        super().__init__(is_async=is_async)
        self._force = parse_force(force)

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
        """Make what the pipeline's results lack, in order.

        Returns:
            The pipeline's final datasets by name.

        Raises:
            UserError: a device that this machine lacks, before anything is made; and what nodes
                raise.
        """
        force_outputs(pipeline, catalog, self._force)
        todo = needed(pipeline, catalog)
        check_devices(todo, catalog)
        for node in todo.nodes:
            if _is_made(node, catalog):
                continue  # no lock is needed, which a store that is only read does not give
            with _held(node, catalog):
                # Looked at again under the lock: another process may have made it meanwhile.
                if not _is_made(node, catalog):
                    log.info("making %s", ", ".join(node.outputs))
                    with room_for(_path(node, catalog) or Path(node.outputs[0])):
                        super().run(Pipeline([node]), catalog, hook_manager, run_id)
        return {name: catalog[name] for name in pipeline.outputs()}

    def _suggest_resume_scenario(
        self, pipeline: Pipeline, done_nodes: Iterable[Node], catalog: Catalog
    ) -> None:
        """Nothing to suggest: the same command goes on where this one stopped."""


def parse_force(text: str) -> tuple[str, ...]:
    """The stages to make again.

    Raises:
        UserError: names the unknown stage and the known ones.
    """
    names = tuple(part for part in text.replace(",", "+").split("+") if part)
    if names == ("all",):
        return FORCE_NAMES
    for name in names:
        if name not in FORCE_NAMES:
            raise UserError(
                f"--force {name}: unknown stage; use {', '.join(FORCE_NAMES)}, several joined by +,"
                " or all"
            )
    return names


def force_outputs(pipeline: Pipeline, catalog: Catalog, stages: Iterable[str]) -> None:
    """Mark the outputs of some stages, and of everything after them, as to be made again."""
    chosen = {node.name for node in pipeline.nodes if stages_of(node) & set(stages)}
    if not chosen:
        return
    for node in pipeline.from_nodes(*chosen).nodes:
        for name in node.outputs:
            dataset = catalog.get(name)
            if dataset is not None and hasattr(dataset, "force"):
                dataset.force = True


def stages_of(node: Node) -> set[str]:
    """The stages that a node belongs to, from its tags."""
    return {tag.removeprefix("stage.") for tag in node.tags if tag.startswith("stage.")}


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


def _is_made(node: Node, catalog: Catalog) -> bool:
    return all(_is_there(catalog, name) for name in node.outputs)


def _path(node: Node, catalog: Catalog) -> Path | None:
    """The folder that a node makes."""
    return getattr(catalog.get(node.outputs[0]), "path", None)


@contextmanager
def _held(node: Node, catalog: Catalog) -> Iterator[None]:
    """Hold the lock of what a node makes; say so while another process holds it."""
    path = _path(node, catalog)
    if path is None:
        yield
        return
    facts: Mapping[str, Any] = getattr(catalog.get(node.outputs[0]), "facts", {})
    where = lock_file(path, facts.get("key", ""))
    where.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(where)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("waiting: another process is making %s", path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
