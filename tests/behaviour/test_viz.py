"""Kedro-Viz draws the pipelines, with the folders in which results really lie."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kedro
from tests.projects import copied_project

from alpkd_pipeline.pipeline_registry import register_pipelines
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS

pytestmark = [
    pytest.mark.viz,
    pytest.mark.skipif(find_spec("kedro_viz") is None, reason="needs the extra [viz]"),
]

PIPELINES = register_pipelines()


class Site:
    """What `kedro viz build` wrote."""

    def __init__(self, project: Path, said: str) -> None:
        self.project, self.said = project, said
        self._api = project / "build" / "api"

    def read(self, name: str) -> Any:
        return json.loads((self._api / name).read_text("utf-8"))

    def node(self, name: str, kind: str) -> dict[str, Any]:
        """What is shown about a node when it is clicked."""
        (found,) = (n for n in self.read("main")["nodes"] if (n["name"], n["type"]) == (name, kind))
        shown = self.read(f"nodes/{found['id']}")
        assert isinstance(shown, dict)
        return shown


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, kedro: Kedro) -> Site:
    project = copied_project(tmp_path_factory.mktemp("viz") / "project", tracking="off")
    done = kedro("viz", "build", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return Site(project, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def experiment(site: Site) -> Experiment:
    loader = ExperimentConfigLoader(
        str(site.project / "conf"), env=None, runtime_params={}, **CONFIG_LOADER_ARGS
    )
    return loader.experiment


def test_it_builds_a_page(site: Site) -> None:
    assert "Success" in site.said
    assert "Traceback" not in site.said
    assert (site.project / "build" / "index.html").is_file()


def test_every_pipeline_can_be_chosen(site: Site) -> None:
    assert [p["name"] for p in site.read("main")["pipelines"]] == list(PIPELINES)


@pytest.mark.parametrize("name", PIPELINES)
def test_each_pipeline_shows_its_nodes_and_datasets(site: Site, name: str) -> None:
    shown = site.read(f"pipelines/{name}")["nodes"]
    tasks = {n["name"] for n in shown if n["type"] == "task"}
    data = {n["name"] for n in shown if n["type"] == "data"}
    parameters = {n["name"] for n in shown if n["type"] == "parameters"}
    assert tasks == {node.name for node in PIPELINES[name].nodes}
    assert data | parameters == PIPELINES[name].datasets()
    assert parameters == {n for n in PIPELINES[name].datasets() if n.startswith("params:")}
    everything = [n["name"] for n in shown if n["type"] in ("task", "data")]
    assert len(set(everything)) == len(everything)
    assert not [n for n in everything if n.endswith("_work")]


def test_layers_stand_in_the_order_in_which_things_are_made(site: Site) -> None:
    assert site.read("main")["layers"] == [
        "raw",
        "intermediate",
        "model_input",
        "teacher",
        "signals",
        "student",
        "model_output",
        "reporting",
    ]


@pytest.mark.parametrize(
    "stage",
    ["splits", "encoded", "teacher", "signals", "student", "teacher_scores", "student_latency"],
)
def test_a_result_shows_the_folder_in_which_it_lies(
    site: Site, experiment: Experiment, stage: str
) -> None:
    shown = site.node(stage, "data")
    assert shown["filepath"] == str(experiment.stage(stage).path)
    assert shown["filepath"].endswith(experiment.stage(stage).key[:8])
    assert shown["type"] == "datasets.artifact.ArtifactDataset"


def test_a_node_shows_its_code_and_where_it_stands(site: Site) -> None:
    shown = site.node("distill_student", "task")
    assert "def distill_student(" in shown["code"]
    assert set(shown["outputs"]) == {"student"}


def test_stages_can_be_picked_by_their_tags(site: Site) -> None:
    tags = {tag["name"] for tag in site.read("main")["tags"]}
    assert tags == {
        tag for pipeline in PIPELINES.values() for node in pipeline.nodes for tag in node.tags
    }


def test_drawing_makes_no_result(site: Site, experiment: Experiment) -> None:
    made = [path for path in experiment.store.rglob("*") if path.is_file()]
    assert [
        path.relative_to(experiment.store).parts[0] for path in made if ".cache" not in path.parts
    ] == []
