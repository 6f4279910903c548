"""A training's run.json: everything that is needed to run it, and nothing of who asked for it.

Paths are relative to the run folder, so that a store can be moved or copied as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, input_place
from alpkd_pipeline.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers of one training; see the parameter block `training` for their meaning."""

    epochs: int
    batch_size: int
    lr: float
    warmup_ratio: float
    weight_decay: float
    max_grad_norm: float
    selection: str
    accumulation: int = 1
    eval_batch_size: int = 64
    eval_every: int | str = "epoch"
    holdout_fraction: float = 0.1
    patience: int | None = None
    precision: str = "auto"
    device: str = "auto"
    threads: int | str = "auto"
    freeze_embeddings: bool = False
    group_by_length: bool = True
    class_weights: str = "none"
    log_every: int = 10
    checkpoint_every: int | str = "auto"


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
    def training(self) -> Settings:
        """The numbers of this training, the teacher's or the student's."""
        return Settings(**self._block["training"])

    @property
    def seed(self) -> int:
        """The seed of this training, the teacher's or the student's."""
        return int(self._block["seed"])

    @property
    def teaching(self) -> Settings:
        """The numbers of the teacher's training, which hold for the recording of its signals."""
        return Settings(**self.params["teacher"]["training"])

    @property
    def taught_by_table(self) -> bool:
        """Whether the teacher is a table; beside it lies an encoder that learned nothing."""
        return self.params["teacher"].get("source") == "table"

    @property
    def pooling(self) -> str:
        """How a layer's states become one vector, `cls` or `mean`."""
        return str(self.params["method"]["pooling"])

    @property
    def _block(self) -> Mapping[str, Any]:
        block = self.params if self.stage.startswith("student") else self.params["teacher"]
        return dict(block)


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
