"""The raw rows of a task, wherever they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kedro.io import AbstractDataset

from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RawRows:
    """The rows of a source, read when they are asked for.

    Attributes:
        spec: the source.
        task: the task.
        project: where relative paths start.
    """

    spec: SourceSpec
    task: Task
    project: Path

    def read(self) -> dict[str, pd.DataFrame]:
        """The splits, one frame each, not yet checked."""
        return load_splits(self.spec, self.task, self.project)

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The same, for people."""
        return self.read()


class SourceDataset(AbstractDataset[NoReturn, RawRows]):
    """The demo, a hub data set, a GLUE folder or the user's own files; reads nothing by itself."""

    def __init__(self, *, source: str, task: str, project: str, metadata: Any = None) -> None:
        """Name the source; nothing is read yet.

        Args:
            source: a `SourceSpec` as JSON.
            task: a `Task` as JSON.
            project: where relative paths start.
            metadata: free for Kedro plugins.
        """
        self.metadata = metadata
        self._spec = SourceSpec(**json.loads(source))
        self._task = Task.from_dict(json.loads(task))
        self._project = Path(project)

    def load(self) -> RawRows:
        """A handle of the rows."""
        return RawRows(self._spec, self._task, self._project)

    def save(self, data: NoReturn) -> None:
        """Refused: raw data comes from outside."""
        raise NotImplementedError("raw data is only an input")

    def _describe(self) -> dict[str, Any]:
        return {"source": self._spec.kind, "task": self._task.name}
