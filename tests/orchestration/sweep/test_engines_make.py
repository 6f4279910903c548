from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from tests.orchestration.conftest import Load
from tests.orchestration.sweep.conftest import SMALL

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.sweep import engines
from alpkd_pipeline.orchestration.sweep.engines import LocalEngine, make_engine
from alpkd_pipeline.orchestration.sweep.grid import SweepSpec

SPEC = SweepSpec.parse(SMALL)


def test_workers_as_asked_for_but_not_more_than_there_is_to_do(load: Load, tmp_path: Path) -> None:
    cells = [load().params]
    assert make_engine("local", tmp_path, None, SPEC, cells, 5).slots == 5
    assert make_engine("local", tmp_path, None, SPEC, cells, 5, most=3).slots == 3
    assert make_engine("local", tmp_path, None, SPEC, cells, 5, most=0).slots == 1


def test_by_default_as_many_as_the_machine_has_room_for(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "processors", lambda: 6)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cells = [load().params, load({"training.threads": 2}).params]
    assert make_engine("local", tmp_path, None, SPEC, cells, None).slots == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    spec = SPEC.model_copy(update={"cells_per_gpu": 2})
    engine = make_engine("local", tmp_path, None, spec, cells, None)
    assert isinstance(engine, LocalEngine)
    assert engine.slots == 4


def test_an_engine_that_is_not_installed_is_one_line(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"needs the extra \[ray\]: pip install"):
        make_engine("ray", tmp_path, None, SPEC, [load().params], 1)
