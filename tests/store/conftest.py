"""A store with one folder of each kind, and the keys that conf/ asks for: none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.stores import SmallStore

from alpkd_pipeline.store.prune import make_plan
from alpkd_pipeline.store.prune_candidates import Choice

Going = Callable[..., set[str]]


@pytest.fixture
def store(tmp_path: Path) -> SmallStore:
    return SmallStore(tmp_path / "data").chain()


@pytest.fixture
def going(store: SmallStore) -> Going:
    """The names of the folders that would go, with some options and some keys asked for."""

    def find(*asked: str, **more: bool) -> set[str]:
        plan = make_plan(store.root, Choice(**more), frozenset(asked))
        return {candidate.path.name for candidate in plan.going}

    return find
