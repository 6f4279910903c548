"""Which nodes have something to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.steps.chain import EVERYTHING, World

from alpkd_pipeline.project.runner import needed


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def names(world: World) -> list[str]:
    return [n.name for n in needed(world.pipeline, world.catalog()).nodes]


def test_needed_of_an_empty_store_is_the_whole_pipeline(world: World) -> None:
    assert names(world) == EVERYTHING


def test_needed_is_what_leads_to_what_is_missing(world: World) -> None:
    world.run()
    assert names(world) == []
    world.drop("large")
    assert names(world) == []
    world.drop("scores")
    assert names(world) == ["scores"]
    world.drop("small")
    assert names(world) == ["large", "small", "scores"]
