"""The folder of all results, for what looks at many of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset


class StoreDataset(AbstractDataset[NoReturn, Path]):
    """Loads as the path of the store."""

    def __init__(self, *, filepath: str, metadata: Any = None) -> None:
        """Name the folder."""
        self.path = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """The path."""
        return self.path

    def save(self, data: NoReturn) -> None:
        """Refused: results are saved by their own datasets."""
        raise NotImplementedError("the store is only an input")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self.path)}
