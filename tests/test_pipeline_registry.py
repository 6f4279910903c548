"""The pipelines as one graph: named, in the catalog, ordered, only parameters in memory."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest
from kedro.framework.context import KedroContext
from kedro.framework.hooks.manager import (
    _create_hook_manager,
    _register_hooks,
    _register_hooks_entry_points,
)
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from tests.project.conftest import PROJECT

from alpkd_pipeline import pipelines
from alpkd_pipeline.datasets.artifact import ArtifactDataset
from alpkd_pipeline.datasets.comparison import ComparisonDataset
from alpkd_pipeline.pipeline_registry import register_pipelines
from alpkd_pipeline.project.catalog_values import RESULTS
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.experiment_inputs import FORCE_NAMES
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS, DISABLE_HOOKS_FOR_PLUGINS, HOOKS

PIPELINES = register_pipelines()
DEFAULT = PIPELINES["__default__"]
EVERYTHING = DEFAULT + PIPELINES["export"] + PIPELINES["export_teacher"]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> DataCatalog:
    """The catalog as a Kedro command makes it."""
    given = {"run": {"store": str(tmp_path_factory.mktemp("store"))}}
    loader = ExperimentConfigLoader(
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
    """The stage by which `--force` names a node, from its only tag."""
    (tag,) = node.tags
    return tag.removeprefix("stage.")


def test_names() -> None:
    assert list(PIPELINES) == [
        "__default__",
        "data_prep",
        "finetune_teacher",
        "distill",
        "evaluate",
        "export",
        "export_teacher",
        "compare",
    ]


def test_each_pipeline_makes_everything_up_to_its_own_results() -> None:
    prepared = {"prepare_splits", "encode_splits"}
    taught = prepared | {"finetune_teacher", "score_teacher"}
    distilled = taught | {"record_signals", "distill_student", "score_student"}
    evaluated = distilled | {
        "evaluate_teacher",
        "evaluate_student",
        "time_teacher",
        "time_student",
        "compare_layers",
    }
    assert names(PIPELINES["data_prep"]) == prepared
    assert names(PIPELINES["finetune_teacher"]) == taught
    assert names(PIPELINES["distill"]) == distilled
    assert names(PIPELINES["evaluate"]) == evaluated
    assert names(PIPELINES["compare"]) == {"compare_students"}
    assert names(PIPELINES["export"]) == distilled | {"convert_student", "publish_student"}
    assert names(PIPELINES["export_teacher"]) == taught | {"convert_teacher", "publish_teacher"}
    assert names(DEFAULT) == evaluated | {"compare_students"}


def test_without_a_name_the_comparison_waits_for_all_results() -> None:
    (node,) = (n for n in DEFAULT.nodes if n.name == "compare_students")
    assert set(node.inputs) == {
        "store",
        "experiment",
        "params:compare",
        "student_scores",
        "teacher_evaluation",
        "student_evaluation",
        "teacher_latency",
        "student_latency",
        "student_geometry",
    }
    assert DEFAULT.nodes[-1].name == "compare_students"


def test_alone_the_comparison_takes_what_is_stored() -> None:
    (node,) = PIPELINES["compare"].nodes
    assert set(node.inputs) == {"store", "experiment", "params:compare"}


@pytest.mark.parametrize("name", PIPELINES)
def test_every_dataset_is_in_the_catalog(name: str, catalog: DataCatalog) -> None:
    assert {d for d in PIPELINES[name].datasets() if d not in catalog} == set()


def test_every_entry_of_the_catalog_is_read_or_written(catalog: DataCatalog) -> None:
    entries = {name for name in catalog.keys() if not name.startswith("param")}  # noqa: SIM118
    read = {name for name in EVERYTHING.datasets() if not name.startswith("params:")}
    assert entries == read


@pytest.mark.parametrize("name", PIPELINES)
def test_only_parameters_lie_in_memory(name: str, catalog: DataCatalog) -> None:
    for dataset in PIPELINES[name].datasets():
        in_memory = isinstance(catalog.get(dataset), MemoryDataset)
        assert in_memory == dataset.startswith("params:"), dataset


@pytest.mark.parametrize("name", PIPELINES)
def test_every_result_is_an_artifact(name: str, catalog: DataCatalog) -> None:
    for node in PIPELINES[name].nodes:
        (output,) = node.outputs
        dataset = catalog.get(output)
        assert isinstance(dataset, ArtifactDataset | ComparisonDataset), output


def test_no_name_is_used_twice() -> None:
    assert not names(EVERYTHING) & EVERYTHING.datasets()


def test_a_step_makes_what_its_node_says(catalog: DataCatalog) -> None:
    experiment = catalog.load("experiment")
    for node in EVERYTHING.nodes:
        (output,) = node.outputs
        assert output in experiment.artifacts
        if output != "comparison":
            assert RESULTS[output] == stage(node)
            dataset = catalog.get(output)
            assert isinstance(dataset, ArtifactDataset)
            assert dataset.artifact.key == experiment[output].key


def test_results_lie_in_folders_of_their_own(catalog: DataCatalog) -> None:
    outputs = [name for node in EVERYTHING.nodes for name in node.outputs]
    paths = [Path(str(catalog.get(name).path)) for name in outputs]  # type: ignore[union-attr]
    assert len(set(paths)) == len(paths) == 17
    assert not any(one in other.parents for one in paths for other in paths)


def test_parameters_of_nodes_are_parameters(catalog: DataCatalog) -> None:
    experiment = catalog.load("experiment")
    given = {n for node in EVERYTHING.nodes for n in node.inputs if n.startswith("params:")}
    assert {"params:method", "params:training", "params:teacher", "params:seed"} <= given
    for name in given:
        assert catalog.load(name) == experiment.param(name.removeprefix("params:")), name


@pytest.mark.parametrize("name", PIPELINES)
def test_every_node_has_one_stage_that_can_be_forced(name: str) -> None:
    for node in PIPELINES[name].nodes:
        assert stage(node) in FORCE_NAMES


def test_every_stage_has_a_node() -> None:
    assert {stage(node) for node in EVERYTHING.nodes} == set(FORCE_NAMES)


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
        assert len(lines) <= 35, node.name
        assert node.func.__doc__, node.name
        assert inspect.isfunction(node.func), node.name  # Kedro-Viz shows no other code


@pytest.mark.parametrize("path", sorted(Path(pipelines.__file__).parent.glob("*.py")))
def test_of_kedro_a_pipeline_knows_pipelines_alone(path: Path) -> None:
    found = [*ast.walk(ast.parse(path.read_text("utf-8")))]
    modules = {node.module or "" for node in found if isinstance(node, ast.ImportFrom)}
    modules |= {one.name for node in found if isinstance(node, ast.Import) for one in node.names}
    assert {name for name in modules if name.startswith("kedro")} <= {"kedro.pipeline"}


def test_two_calls_give_pipelines_of_their_own() -> None:
    again = register_pipelines()
    assert again["distill"] is not PIPELINES["distill"]
    assert names(again["distill"]) == names(PIPELINES["distill"])


def test_a_plugin_that_tracks_runs_too_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kedro-mlflow's entry point: pluggy passes over a name that one of our hooks has."""
    facts = tmp_path / "kedro_mlflow-2.0.3.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: kedro_mlflow\nVersion: 2.0.3\n")
    (facts / "entry_points.txt").write_text("[kedro.hooks]\nmlflow_hook = its_hooks:hook\n")
    (tmp_path / "its_hooks.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    manager = _create_hook_manager()
    with pytest.raises(RuntimeError, match="imported"):
        _register_hooks_entry_points(manager, DISABLE_HOOKS_FOR_PLUGINS)
    manager = _create_hook_manager()
    _register_hooks(manager, HOOKS)
    _register_hooks_entry_points(manager, DISABLE_HOOKS_FOR_PLUGINS)
    assert set(HOOKS) <= manager.get_plugins()
