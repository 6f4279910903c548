from __future__ import annotations

import importlib.util

import pytest
from tests.conftest import PROJECT
from tests.experiments.conftest import MakeSweep
from tests.project.conftest import Load

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments import engines
from alpkd_pipeline.experiments.engines import LocalEngine
from alpkd_pipeline.project.experiment import Experiment


@pytest.mark.parametrize(("most", "slots"), [(9, 5), (3, 3), (0, 1)])
def test_workers_as_asked_for_but_not_more_than_there_is_to_do(
    sweep: MakeSweep, most: int, slots: int
) -> None:
    made = sweep()
    made._most = most
    assert made.engine("local", 5).slots == slots


def test_by_default_as_many_as_the_machine_has_room_for(
    sweep: MakeSweep, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "processors", lambda: 6)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    made = sweep()
    made._experiments = [
        Experiment(load(given).params, PROJECT) for given in ({}, {"training.threads": 2})
    ]
    assert made.engine("local", None).slots == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    made.spec = made.spec.model_copy(update={"experiments_per_gpu": 2})
    engine = made.engine("local", None)
    assert isinstance(engine, LocalEngine)
    assert engine.slots == 4


def test_an_engine_that_is_not_installed_is_one_line(
    sweep: MakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"needs the extra \[ray\]: pip install"):
        sweep().engine("ray", 1)
