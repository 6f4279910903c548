"""The pipelines as one graph: named, complete in the catalog, ordered, nothing handed in memory."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from kedro.framework.context import KedroContext
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from tests.orchestration.conftest import PROJECT

from alpkd_pipeline.datasets.comparison import ComparisonDataset
from alpkd_pipeline.datasets.folder import FolderDataset
from alpkd_pipeline.hooks import COMPARISON, TRAINING
from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
from alpkd_pipeline.orchestration.runner import stages_of
from alpkd_pipeline.orchestration.stage import FORCE_NAMES
from alpkd_pipeline.pipeline_registry import register_pipelines
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS

PIPELINES = register_pipelines()
EVERYTHING = PIPELINES["__default__"]
FOR_THE_HOOKS = {"tracking"}
"""In the catalog, though no node reads it."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> DataCatalog:
    """The catalog as a Kedro command makes it."""
    given = {"run": {"store": str(tmp_path_factory.mktemp("store"))}}
    loader = CellConfigLoader(
        str(PROJECT / "conf"), env=None, runtime_params=given, **CONFIG_LOADER_ARGS
    )
    context = KedroContext(
        project_path=PROJECT,
        config_loader=loader,
        env=None,
        package_name="alpkd_pipeline",
        hook_manager=_create_hook_manager(),
        runtime_params=given,
    )
    return context.catalog


def names(pipeline: Pipeline) -> set[str]:
    return {node.name for node in pipeline.nodes}


def stage(node: Node) -> str:
    (found,) = stages_of(node)
    return found


def test_names() -> None:
    assert list(PIPELINES) == [
        "__default__",
        "data_prep",
        "finetune_teacher",
        "distill",
        "evaluate",
        "compare",
    ]


def test_each_pipeline_makes_everything_up_to_its_own_results() -> None:
    prepared = {"prepare_splits", "encode"}
    taught = prepared | {"finetune_teacher", "score_teacher"}
    distilled = taught | {"record_signals", "distill_student", "score_student"}
    evaluated = distilled | {
        "teacher_evaluation",
        "student_evaluation",
        "teacher_latency",
        "student_latency",
        "student_geometry",
    }
    assert names(PIPELINES["data_prep"]) == prepared
    assert names(PIPELINES["finetune_teacher"]) == taught
    assert names(PIPELINES["distill"]) == distilled
    assert names(PIPELINES["evaluate"]) == evaluated
    assert names(PIPELINES["compare"]) == {"compare"}
    assert names(EVERYTHING) == evaluated | {"compare"}


def test_without_a_name_the_comparison_waits_for_all_results() -> None:
    (node,) = (n for n in EVERYTHING.nodes if n.name == "compare")
    assert set(node.inputs) == {
        "store",
        "comparison_work",
        "student_scores",
        "teacher_evaluation",
        "student_evaluation",
        "teacher_latency",
        "student_latency",
        "student_geometry",
    }
    assert EVERYTHING.nodes[-1].name == "compare"


def test_alone_the_comparison_takes_what_is_stored() -> None:
    (node,) = PIPELINES["compare"].nodes
    assert set(node.inputs) == {"store", "comparison_work"}


@pytest.mark.parametrize("name", PIPELINES)
def test_every_dataset_is_in_the_catalog(name: str, catalog: DataCatalog) -> None:
    assert {d for d in PIPELINES[name].datasets() if d not in catalog} == set()


def test_every_entry_of_the_catalog_is_read_or_written(catalog: DataCatalog) -> None:
    entries = {name for name in catalog.keys() if not name.startswith("param")}  # noqa: SIM118
    assert entries == EVERYTHING.datasets() | FOR_THE_HOOKS


@pytest.mark.parametrize("name", PIPELINES)
def test_nothing_is_handed_on_in_memory(name: str, catalog: DataCatalog) -> None:
    for dataset in PIPELINES[name].datasets():
        assert not isinstance(catalog.get(dataset), MemoryDataset), dataset


@pytest.mark.parametrize("name", PIPELINES)
def test_every_result_is_a_folder_that_may_be_forced(name: str, catalog: DataCatalog) -> None:
    for node in PIPELINES[name].nodes:
        (output,) = node.outputs
        dataset = catalog.get(output)
        assert isinstance(dataset, FolderDataset | ComparisonDataset), output
        assert dataset.force is False


def test_results_lie_in_folders_of_their_own(catalog: DataCatalog) -> None:
    outputs = [name for node in EVERYTHING.nodes for name in node.outputs]
    paths = [Path(str(catalog.get(name).path)) for name in outputs]  # type: ignore[union-attr]
    assert len(set(paths)) == len(paths) == 13
    assert not any(one in other.parents for one in paths for other in paths)


def test_a_node_works_in_the_work_folder_of_its_own_result(catalog: DataCatalog) -> None:
    for node in EVERYTHING.nodes:
        (output,) = node.outputs
        assert f"{output}_work" in node.inputs
        work = Path(str(catalog.get(f"{output}_work").path))  # type: ignore[union-attr]
        if output != COMPARISON:
            final = Path(str(catalog.get(output).path))  # type: ignore[union-attr]
            assert work == final.with_name(f"{final.name}.work")


def test_parameters_reach_nodes_through_their_work_folder_alone() -> None:
    for node in EVERYTHING.nodes:
        assert not [name for name in node.inputs if name.startswith(("params:", "parameters"))]


@pytest.mark.parametrize("name", PIPELINES)
def test_every_node_has_one_stage_that_can_be_forced(name: str) -> None:
    for node in PIPELINES[name].nodes:
        assert len(stages_of(node)) == 1, node.name
        assert stage(node) in FORCE_NAMES


def test_every_stage_has_a_node() -> None:
    assert {stage(node) for node in EVERYTHING.nodes} == set(FORCE_NAMES)


def test_trainings_are_tagged() -> None:
    assert {node.name for node in EVERYTHING.nodes if TRAINING in node.tags} == {
        "finetune_teacher",
        "distill_student",
    }


@pytest.mark.parametrize("name", PIPELINES)
def test_nodes_stand_after_what_they_read(name: str) -> None:
    there = set(PIPELINES[name].inputs())
    for node in PIPELINES[name].nodes:
        assert set(node.inputs) <= there, node.name
        there |= set(node.outputs)


def test_a_stage_reads_only_what_lies_to_its_left() -> None:
    made_by = {output: node for node in EVERYTHING.nodes for output in node.outputs}
    for node in EVERYTHING.nodes:
        for name in node.inputs:
            if name in made_by:
                before, after = (FORCE_NAMES.index(stage(n)) for n in (made_by[name], node))
                assert before <= after, f"{node.name} reads {name}"


def test_nodes_are_small_and_say_what_they_do() -> None:
    for node in EVERYTHING.nodes:
        lines = inspect.getsource(node.func).splitlines()
        assert len(lines) <= 25, node.name
        assert node.func.__doc__, node.name
        hints = inspect.signature(node.func)
        assert hints.return_annotation == "Path", node.name


def test_two_calls_give_pipelines_of_their_own() -> None:
    again = register_pipelines()
    assert again["distill"] is not PIPELINES["distill"]
    assert names(again["distill"]) == names(PIPELINES["distill"])
