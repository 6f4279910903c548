"""A training's run.json: everything that is needed to run it, and nothing of who asked for it.

Paths are relative to the run folder, so that a store can be moved or copied as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline import run_settings
from alpkd_pipeline.constraints import block_of
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, input_place
from alpkd_pipeline.tasks.task import Task


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One training, as written in its folder's run.json."""

    folder: Path  # the run folder; results are written here
    stage: str  # `teacher`, `signals`, `student`, or what is made of such a model
    name: str  # what people call the run, `rte-6to3-alp_kd-s1`
    task: Task
    params: Mapping[str, Any]  # the parameters with the names that users write
    inputs: Mapping[str, Path]  # the folders this training reads: `encoded`, `model`, `teacher`, ..

    @property
    def training(self) -> run_settings.TrainingSettings:
        """The numbers of this training, the teacher's or the student's."""
        return self.distilling if self.stage.startswith("student") else self.teacher.training

    @property
    def seed(self) -> int:
        """The seed of this training, the teacher's or the student's."""
        of_student = self.stage.startswith("student")
        return int(self.params["seed"]) if of_student else self.teacher.seed

    @property
    def distilling(self) -> run_settings.TrainingSettings:
        """The numbers of the student's training."""
        return run_settings.TrainingSettings(**self.params["training"])

    @property
    def teacher(self) -> run_settings.TeacherSettings:
        """The teacher; the numbers of its training hold for the recording of its signals too."""
        return block_of(run_settings.TeacherSettings, self.params["teacher"])

    @property
    def student(self) -> run_settings.StudentSettings:
        """What the student is made of."""
        return run_settings.StudentSettings(**self.params["student"])

    @property
    def signals(self) -> run_settings.SignalSettings:
        """What is kept of the teacher."""
        return run_settings.SignalSettings(**self.params.get("signals", {}))

    @property
    def method(self) -> dict[str, Any]:
        """The arguments of `registry.build_method` that parameters give, `name` among them."""
        given = self.params["method"].items()
        names = {"lambda": "lambda_"}
        return {names.get(n, n): v for n, v in given if v is not None and n != "pooling"}

    @property
    def pooling(self) -> str:
        """How a layer's states become one vector, `cls` or `mean`."""
        return str(self.params["method"]["pooling"])

    @property
    def max_length(self) -> int:
        """The most tokens of a row."""
        return int(self.params["task"]["max_length"])


def read_config(folder: Path) -> RunConfig:
    """Read a run folder's run.json; UserError where it is missing or no training's."""
    path = folder / RUN_CONFIG
    try:
        values = read_json(path)
        return RunConfig(
            folder=folder,
            stage=values["stage"],
            name=values["name"],
            task=Task.from_dict(values["task"]),
            params=values["params"],
            inputs={name: input_place(folder, place) for name, place in values["inputs"].items()},
        )
    except FileNotFoundError:
        missing = f"{path} does not exist: a run folder begins with its {RUN_CONFIG}"
        raise UserError(missing) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not the configuration of a training: {error!r}") from None
