"""A training's run.json: everything that is needed to run it, and nothing of who asked for it.

Paths are relative to the run folder, so that a store can be moved or copied as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, input_place
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.progress import FitSettings


@dataclass(frozen=True, slots=True)
class RunConfig:
    """One training, as written in its folder's run.json.

    Attributes:
        folder: the run folder; results are written here.
        stage: `teacher`, `signals` or `student`.
        name: what people call the run, `rte-6to3-alp_kd-s1`.
        task: the task.
        params: the parameters with the names that users write.
        inputs: the folders this training reads: `encoded`, `model`, `teacher`, ...
    """

    folder: Path
    stage: str
    name: str
    task: Task
    params: Mapping[str, Any]
    inputs: Mapping[str, Path]

    @property
    def training(self) -> Mapping[str, Any]:
        """The parameter block of this training, the teacher's or the student's."""
        block = self.params if self.stage == "student" else self.params["teacher"]
        return dict(block["training"])

    @property
    def seed(self) -> int:
        """The seed of this training, the teacher's or the student's."""
        block = self.params if self.stage == "student" else self.params["teacher"]
        return int(block["seed"])

    @property
    def fit_settings(self) -> FitSettings:
        """The part of `training` that the loop reads."""
        names = {f.name for f in fields(FitSettings)}
        return FitSettings(**{k: v for k, v in self.training.items() if k in names})


def read_config(folder: Path) -> RunConfig:
    """Read a run folder's run.json.

    Raises:
        UserError: it is missing or is not a training's configuration.
    """
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
        raise UserError(
            f"{path} does not exist: a run folder begins with its {RUN_CONFIG}"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not the configuration of a training: {error!r}") from None
