from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.reporting.conftest import PARAMS
from tests.reproduce.conftest import write_run

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reproduce import plan as plan_module
from alpkd_pipeline.reproduce import run as run_module
from alpkd_pipeline.reproduce.execute import WorkerProcess
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.reproduce.result import Rerun, RerunResult
from alpkd_pipeline.reproduce.run import Setting, run_again
from alpkd_pipeline.reproduce.verdict import BITWISE, DRIFTED, FAILED


class ToyWorkerProcess(WorkerProcess):
    """Writes what was asked for at once; seed 1 goes wrong, seed 2 is interrupted once."""

    interrupt = False

    def make(self, stage: str, params: Mapping[str, Any], name: str) -> str | None:
        if params["seed"] == 1:
            raise UserError("its folder cannot be read")
        if params["seed"] == 2 and ToyWorkerProcess.interrupt:
            raise KeyboardInterrupt
        again = {"params": {n: value for n, value in params.items() if n != "run"}}
        write_run(Path(params["run"]["store"]), stage=stage, key=name[-8:] * 8, run=again)
        return None


def original(store: Path, seed: int) -> StoredRun:
    return write_run(store, key=str(seed) * 64, run={"params": {**PARAMS, "seed": seed}})


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setattr(run_module, "WorkerProcess", ToyWorkerProcess)
    return Setting(tmp_path, None, tmp_path / "store", None, True, "kedro rerun", lambda _: None)


def made(setting: Setting, planned: list[Rerun]) -> RerunResult:
    result, _ = run_again(setting, planned, "kd", "0" * 64)
    return result


def fresh_stores(setting: Setting) -> list[str]:
    return [path.name for path in (setting.store / "09_reruns").glob("[!.]*")]


def test_what_is_wrong_with_one_fails_no_other(setting: Setting) -> None:
    planned = [Rerun(original(setting.store, seed)) for seed in (0, 1, 3)]
    experiments = made(setting, planned).experiments
    assert [experiment.verdict for experiment in experiments] == [BITWISE, FAILED, BITWISE]
    assert experiments[1].error == "its folder cannot be read"


@pytest.mark.parametrize(("later", "resumes"), [("1", True), ("2", False)])
def test_an_interrupted_one_resumes_only_with_the_same_data_and_code(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, later: str, resumes: bool
) -> None:
    one = original(setting.store, 2)
    monkeypatch.setattr(ToyWorkerProcess, "interrupt", True)
    with pytest.raises(KeyboardInterrupt):
        made(setting, [Rerun(one, today={"source": "1"})])
    (left,) = fresh_stores(setting)
    half = setting.store / "09_reruns" / left / "half"
    half.touch()
    monkeypatch.setattr(ToyWorkerProcess, "interrupt", False)
    assert made(setting, [Rerun(one, today={"source": later})]).verdict == BITWISE
    assert half.exists() == resumes


def test_an_interrupted_one_of_other_libraries_begins_again(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = original(setting.store, 2)
    monkeypatch.setattr(ToyWorkerProcess, "interrupt", True)
    with pytest.raises(KeyboardInterrupt):
        made(setting, [Rerun(one)])
    (left,) = fresh_stores(setting)
    half = setting.store / "09_reruns" / left / "half"
    half.touch()
    monkeypatch.setattr(ToyWorkerProcess, "interrupt", False)
    other = {"python": "3.11.7", "libraries": {"torch": "2.12.0"}}
    monkeypatch.setattr(plan_module, "provenance", lambda _: other)
    made(setting, [Rerun(one)])
    assert not half.exists()


def test_a_noise_band_of_damaged_runs_is_none_and_told(setting: Setting) -> None:
    then, other = original(setting.store, 0), original(setting.store, 2)
    (other.path / "metrics.json").write_text("{}")
    now = write_run(setting.store / "09_reruns" / "x", key="4" * 64, weights=b"others")
    result = run_module.compared(Rerun(then), [(then, now)], setting.store)
    told = [d for d in result.differences if d.kind == "damage"]
    assert [d.what for d in told] == [f"metrics.json of the noise band, {other.path.name}"]
    assert result.models[0].band is None
    assert result.verdict == DRIFTED
