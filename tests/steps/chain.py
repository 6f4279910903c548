"""A small chain of steps: data -> large -> small -> scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner

from alpkd_pipeline.datasets.artifact import ArtifactDataset, ExperimentDataset
from alpkd_pipeline.hooks import RunHooks
from alpkd_pipeline.project.runner import StageRunner
from alpkd_pipeline.steps.step import step
from alpkd_pipeline.store.artifact import Artifact

FROM = {"data": (), "large": ("data",), "small": ("data", "large"), "scores": ("small",)}
EVERYTHING = list(FROM)


class World:
    """Steps that note their making and write a file each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: list[str] = []
        self.places = {name: root / name for name in FROM}
        self.keys = {name: name for name in FROM}
        self.builds: dict[str, Callable[..., None]] = {}
        """What a step does instead of writing its file."""

    def facts(self, again: Mapping[str, float]) -> dict[str, dict[str, Any]]:
        return {
            name: {
                "name": name,
                "key": self.keys[name],
                "expected": str(self.places[name]),
                "made_from": {each: self.keys[each] for each in sources},
                "run": {"stage": name},
                "order": again.get(name),
            }
            for name, sources in FROM.items()
        }

    def catalog(self, again: Mapping[str, float] | None = None) -> DataCatalog:
        facts = self.facts(again or {})
        device = {"device": "cpu"}
        params = {
            "run": {"tracking": "off", "experiment": "e"},
            "training": device,
            "teacher": {"training": device},
        }
        experiment = {
            "artifacts": facts,
            "params": params,
            "project": str(self.root),
            "store": str(self.root),
        }
        return DataCatalog(
            {
                "experiment": ExperimentDataset(experiment=json.dumps(experiment)),
                **{name: ArtifactDataset(artifact=json.dumps(f)) for name, f in facts.items()},
            }
        )

    def artifact(self, name: str) -> Artifact:
        found: Artifact = self.catalog().load(name)
        return found

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline([self.node(name) for name in FROM])

    def node(self, name: str):
        def write(folder: Path, **inputs: Artifact) -> None:
            self.made.append(name)
            if name in self.builds:
                self.builds[name](folder, **inputs)
            else:
                (folder / "made").write_text(str(len(self.made)))

        inputs = {each: each for each in FROM[name]}
        make = step(name)(write)
        make.__signature__ = None  # type: ignore[attr-defined]
        del make.__signature__, make.__wrapped__  # type: ignore[attr-defined]
        return node(make, {"experiment": "experiment", **inputs}, name, name=name)

    def run(
        self,
        again: Mapping[str, float] | None = None,
        runner: SequentialRunner | None = None,
        pipeline: Pipeline | None = None,
    ) -> list[str]:
        """As a Kedro session runs a pipeline."""
        self.made.clear()
        manager, catalog = _create_hook_manager(), self.catalog(again)
        manager.register(RunHooks())
        chain = pipeline or self.pipeline
        manager.hook.before_pipeline_run(run_params={}, pipeline=chain, catalog=catalog)
        (runner or StageRunner()).run(chain, catalog, manager)
        return list(self.made)

    def drop(self, name: str) -> None:
        (self.places[name] / "manifest.json").unlink()
