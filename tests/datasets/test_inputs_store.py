from __future__ import annotations

from pathlib import Path

import pytest
from kedro.io import DatasetError

from alpkd_pipeline.datasets.inputs import StoreDataset


def test_it_loads_as_the_path_whether_anything_is_there_or_not(tmp_path: Path) -> None:
    store = StoreDataset(filepath=str(tmp_path / "data"))
    assert store.load() == store.path == tmp_path / "data"
    assert store._describe() == {"filepath": str(tmp_path / "data")}


def test_it_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="only an input"):
        StoreDataset(filepath=str(tmp_path)).save(tmp_path)  # type: ignore[arg-type]
