"""Small real trainings: 96 rows of the demo task, the shipped encoder, one thread."""

from __future__ import annotations

import copy
import importlib
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.forked import Child, fork
from tests.training.conftest import PARAMS

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import read_json, sha256_file
from alpkd_pipeline.tasks.sources.demo import TASK

ROWS = {"train": 96, "dev": 48, "test": 8}


@dataclass(frozen=True)
class Experiment:
    """A training to disturb.

    Attributes:
        name: what it is called.
        stage: `teacher` or `student`.
        method: changes of the method's parameters.
        student: changes of the student's.
        training: changes of the training's.
        cached: whether it reads the cached signals; else it asks the teacher itself.
    """

    name: str
    stage: str = "student"
    method: Mapping[str, Any] = field(default_factory=dict)
    student: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    cached: bool = True


NARROW = {"init": "random", "hidden_size": 32, "heads": 2, "intermediate_size": 64}
EXPERIMENTS = (
    Experiment("alp-projected", method={"projection": "linear"}, student=NARROW),
    Experiment("teacher", stage="teacher", training={"epochs": 2}),
    Experiment("alp-accumulating", seed=2, training={"accumulation": 2, "eval_every": 2}),
    Experiment("rail", method={"name": "rail_kd", "pooling": "mean"}, seed=3, cached=False),
    Experiment("tinybert", method={"name": "tinybert"}, seed=4, cached=False),
    Experiment("alp-bf16", seed=5, training={"precision": "bf16", "selection": "holdout"}),
)
"""With learned parts, random layers, another precision, rows held out, in both stages."""


class World:
    """What the trainings read, and a place for them.

    Attributes:
        root: where everything lies.
        cpu: seconds of processor time of each undisturbed training.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.encoded, self.signals = root / "encoded", root / "signals"
        self.teacher = root / "teacher"
        self._outcomes: dict[str, dict[str, Any]] = {}
        self.cpu: dict[str, float] = {}

    def build(self) -> World:
        """Make data, teacher and signals, in a process of their own."""
        child = fork(self._build, self.root / "world.log")
        assert child.wait() == 0, child.said
        # What it had to import, so that later forks have it.
        for name in (self.root / "modules").read_text().split():
            with suppress(Exception):
                importlib.import_module(name)
        return self

    def _build(self) -> None:
        from alpkd_pipeline.models.encoder import load_tokenizer
        from alpkd_pipeline.tasks.encode import encode_splits
        from alpkd_pipeline.tasks.sources.demo import load
        from alpkd_pipeline.training.dispatch import run_stage

        frames = {name: frame.head(ROWS[name]) for name, frame in load().items()}
        encode_splits(frames, TASK, load_tokenizer(DEMO_FOLDER), 64, self.encoded)
        facts = {"name": "t", "task": TASK.to_dict(), "params": PARAMS}
        inputs = {"encoded": self.encoded}
        teacher = Work(self.teacher, {**facts, "stage": "teacher"})
        run_stage(teacher.begin(**inputs, model=DEMO_FOLDER))
        signals = Work(self.signals, {**facts, "stage": "signals"})
        run_stage(signals.begin(**inputs, teacher=self.teacher))
        (self.root / "modules").write_text("\n".join(sys.modules))

    def begin(self, experiment: Experiment, name: str, root: Path | None = None) -> Path:
        """An empty run folder for a training; one that is there is removed.

        Args:
            experiment: the training.
            name: the folder's name.
            root: where it is made, unless among the others.
        """
        params = copy.deepcopy(PARAMS)
        numbers = {"checkpoint_every": 1, "log_every": 2, "epochs": 3, **experiment.training}
        for block in (params, params["teacher"]):
            block["training"] = {**block["training"], **numbers}
            block["seed"] = experiment.seed
        params["method"] |= experiment.method
        params["student"] |= experiment.student
        facts = {
            "stage": experiment.stage,
            "name": experiment.name,
            "task": TASK.to_dict(),
            "params": params,
            "identity": {
                "key": experiment.name,
                "keys": {"encoded": "e", experiment.stage: experiment.name},
            },
        }
        inputs = {"encoded": self.encoded, "model": DEMO_FOLDER}
        if experiment.stage == "student":
            inputs = {"encoded": self.encoded, "teacher": self.teacher}
            if experiment.cached:
                inputs["signals"] = self.signals
        folder = (root or self.root) / name
        shutil.rmtree(folder, ignore_errors=True)
        return Work(folder, facts).begin(**inputs)

    def undisturbed(self, experiment: Experiment) -> dict[str, Any]:
        """What a training comes to when nothing happens to it; trained once."""
        if experiment.name not in self._outcomes:
            folder = self.begin(experiment, f"whole-{experiment.name}")
            child, used = train(folder), 0.0
            while child.running():
                used = max(used, child.cpu())
                time.sleep(0.01)
            assert child.code == 0, child.said
            self.cpu[experiment.name] = used
            self._outcomes[experiment.name] = outcome(folder)
        return self._outcomes[experiment.name]


def train(folder: Path) -> Child:
    """`python -m alpkd_pipeline.training FOLDER`, in a process that has torch already."""

    def command() -> int:
        from alpkd_pipeline.training.__main__ import main

        sys.argv = ["python -m alpkd_pipeline.training", str(folder)]
        return main()

    return fork(command, folder.parent / f"{folder.name}.log")


def outcome(folder: Path) -> dict[str, Any]:
    """Everything of a finished training that must not depend on what happened to it."""
    event_log = read_event_log(folder)[0]
    steps = [e for e in event_log if e["event"] == "step"]
    names = ("step", "epoch", "loss", "weighted", "watch", "lr", "grad_norm")
    metrics = read_json(folder / "metrics.json")
    predictions = sorted((folder / "predictions").glob("*.csv"))
    return {
        "weights": sha256_file(folder / "model.safetensors"),
        "answers": {path.name: sha256_file(path) for path in predictions},
        "losses": [{n: e[n] for n in names if n in e} for e in steps],
        "evaluations": [
            {n: e[n] for n in ("step", "scores", "best")} for e in event_log if e["event"] == "eval"
        ],
        "metrics": {n: metrics[n] for n in ("scores", "best_step", "best_epoch", "steps")},
    }


def difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Which parts of two outcomes differ; empty: none."""
    return ", ".join(name for name in wanted if found[name] != wanted[name])


def steps_said(folder: Path) -> int:
    """How many lines of an event log speak of a step."""
    return sum(e["event"] == "step" for e in read_event_log(folder)[0])
