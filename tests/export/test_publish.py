from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.export.conftest import MAX_LENGTH, MakeWorld, World, own_run

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.publish import publish_run
from alpkd_pipeline.export.runtime import Published, read_settings


def publish(world: World, teacher: Path | None = None) -> Path:
    publish_run(
        world.run,
        model=world.model,
        teacher=teacher,
        onnx=world.onnx,
        encoded=world.encoded,
        splits=world.splits,
    )
    return world.run


@pytest.mark.parametrize(
    ("encoder", "task"), [("bert", "pairs"), ("roberta", "three"), ("distilbert", "number")]
)
def test_what_is_published_answers_as_torch_does(
    world: MakeWorld, tmp_path: Path, encoder: str, task: str
) -> None:
    made = own_run(world(encoder, task), tmp_path / "run")
    folder = publish(made)
    gate = json.loads((folder / "gate.json").read_text())
    print(gate)
    assert False
