"""Kedro's catalog, knowing that parameters are plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DataCatalog, MemoryDataset

PLAIN = (bool, int, float, str, list, dict, type(None))


class PlainCatalog(DataCatalog):
    """Says how plain values are copied, instead of letting Kedro find out.

    To see that a number is no table, Kedro imports pandas: a fifth of the time of a run that finds
    everything done.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        """Add a dataset or a value under a name."""
        if isinstance(value, PLAIN):
            value = MemoryDataset(value, copy_mode="deepcopy")
        super().__setitem__(key, value)


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
