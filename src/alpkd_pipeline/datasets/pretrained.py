"""An encoder from outside: shipped, from a package, a local folder or the hub."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset

from alpkd_pipeline.models.source import ModelRef, locate, verify_weights


@dataclass(frozen=True)
class Encoder(os.PathLike[str]):
    """An encoder, found, downloaded if need be, and hashed when its path is asked for.

    Attributes:
        ref: its name and the commit of a hub model.
        project: where relative folders start.
        sha256: what the weights must hash to, if the user pinned it.
    """

    ref: ModelRef
    project: Path
    sha256: str | None = None

    @cached_property
    def path(self) -> Path:
        """The folder with config.json, safetensors and tokenizer, its hash checked if pinned."""
        folder = locate(self.ref, self.project, download=True)
        if self.sha256 is not None:
            verify_weights(folder, self.sha256)
        return folder

    def __fspath__(self) -> str:
        """The path, so that it is accepted wherever one is."""
        return str(self.path)


class PretrainedDataset(AbstractDataset[NoReturn, Encoder | None]):
    """Loads as a handle of the encoder: steps that find their result look for none."""

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
        """Name the encoder; nothing is looked up yet.

        Args:
            model: what `teacher.model` allows.
            revision: the commit of a hub model.
            project: where relative folders start.
            sha256: what the weights must hash to, if the user pinned it.
            used: False if this cell does without: it then loads as None.
            metadata: free for Kedro plugins.
        """
        self.metadata = metadata
        self._model, self._revision, self._sha256 = model, revision, sha256
        self._project = Path(project)
        self._used = used and model is not None

    def load(self) -> Encoder | None:
        """The encoder, or None if this experiment does without it."""
        if not self._used or self._model is None:
            return None
        return Encoder(ModelRef(self._model, self._revision), self._project, self._sha256)

    def save(self, data: NoReturn) -> None:
        """Refused: encoders come from outside."""
        raise NotImplementedError("a pretrained encoder is only an input")

    def _describe(self) -> dict[str, Any]:
        return {"model": self._model, "revision": self._revision, "used": self._used}
