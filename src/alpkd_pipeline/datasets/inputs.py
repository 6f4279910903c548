"""What comes from outside, and the catalog itself: sources, encoders, the store, plain values."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from kedro.io import AbstractDataset, DataCatalog, MemoryDataset

from alpkd_pipeline.models.source import ModelRef, locate, verify_weights
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd

PLAIN = (bool, int, float, str, list, dict, type(None))

Handle = TypeVar("Handle")


class PlainCatalog(DataCatalog):
    """Says how plain values are copied, instead of letting Kedro find out.

    To see that a number is no table, Kedro imports pandas: a fifth of the time of a run that finds
    everything done.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, PLAIN):
            value = MemoryDataset(value, copy_mode="deepcopy")
        super().__setitem__(key, value)


class Input(AbstractDataset[NoReturn, Handle]):
    """What is only read: it loads as a handle, which looks at nothing before it is asked."""

    what: ClassVar[str]
    handle: Handle

    def load(self) -> Handle:
        """The handle."""
        return self.handle

    def save(self, data: NoReturn) -> None:
        """Refused: it comes from elsewhere."""
        raise NotImplementedError(f"{self.what} is only an input")


class StoreDataset(Input[Path]):
    """Loads as the path of the store."""

    what = "the store"

    def __init__(self, *, filepath: str, metadata: Any = None) -> None:
        self.path = self.handle = Path(filepath)
        self.metadata = metadata

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}


@dataclass(frozen=True)
class Encoder(os.PathLike[str]):
    """An encoder, found, downloaded if need be, and hashed when its path is asked for."""

    ref: ModelRef  # its name and the commit of a hub model
    project: Path  # where relative folders start
    sha256: str | None = None  # what the weights must hash to, if the user pinned it

    @cached_property
    def path(self) -> Path:
        """The folder with config.json, safetensors and tokenizer, its hash checked if pinned."""
        folder = locate(self.ref, self.project, download=True)
        if self.sha256 is not None:
            verify_weights(folder, self.sha256)
        return folder

    def __fspath__(self) -> str:
        return str(self.path)


class PretrainedDataset(Input[Encoder | None]):
    """Loads as a handle of the encoder, or None: steps that find their result look for none."""

    what = "a pretrained encoder"

    def __init__(
        self,
        *,
        model: str | None,
        revision: str | None,
        project: str,
        sha256: str | None = None,
        used: bool = True,
        metadata: Any = None,
    ) -> None:
        """Name the encoder as `teacher.model` does; one that is not used loads as None."""
        self.metadata = metadata
        self.handle = None
        if used and model is not None:
            self.handle = Encoder(ModelRef(model, revision), Path(project), sha256)
        self._said = {"model": model, "revision": revision, "used": self.handle is not None}

    def _describe(self) -> dict[str, Any]:
        return self._said


@dataclass(frozen=True)
class RawRows:
    """The rows of a source, read when they are asked for."""

    spec: SourceSpec  # the source
    task: Task  # the task
    project: Path  # where relative paths start

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The splits, one frame each, not yet checked."""
        return load_splits(self.spec, self.task, self.project)


class SourceDataset(Input[RawRows]):
    """The demo, a hub data set, a GLUE folder or the user's own files."""

    what = "raw data"

    def __init__(self, *, source: str, task: str, project: str, metadata: Any = None) -> None:
        """Name the source: a `SourceSpec` and a `Task` as JSON."""
        self.metadata = metadata
        spec = SourceSpec(**json.loads(source))
        self.handle = RawRows(spec, Task.from_dict(json.loads(task)), Path(project))

    def _describe(self) -> dict[str, Any]:
        return {"source": self.handle.spec.kind, "task": self.handle.task.name}
