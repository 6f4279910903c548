"""A store with one folder of each kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.orchestration.integrity.stores import SmallStore


@pytest.fixture
def store(tmp_path: Path) -> SmallStore:
    return SmallStore(tmp_path / "data").chain()
