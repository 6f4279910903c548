"""Kedro's catalog, knowing that parameters are plain values."""

from __future__ import annotations

from typing import Any

from kedro.io import DataCatalog, MemoryDataset

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
