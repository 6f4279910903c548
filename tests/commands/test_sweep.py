"""`kedro sweep` on the command line; what it does is in tests/behaviour/test_sweep.py."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kedro.framework.project import configure_project
from tests.conftest import PROJECT, Kedro

from alpkd_pipeline.commands.sweep import sweep
from alpkd_pipeline.experiments import sweep as module


@pytest.fixture(autouse=True)
def _project() -> None:
    configure_project("alpkd_pipeline")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(sweep, list(arguments), obj=SimpleNamespace(project_path=PROJECT))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--only=metod=kd"], "Error: --only metod=kd: unknown name 'metod'"),
        (["--only=seed=99"], "Error: --only: no experiment of sweep.yml is seed=99; there are: "),
        (["--only=method=kd|no_k"], "is method=no_k; did you mean 'no_kd'?; there are: "),
        (["--params=training.lrr=1"], "unknown parameter 'training.lrr'"),
        (
            ["--params=seed=1"],
            "Error: --params=seed=...: it tells the experiments of a sweep apart",
        ),
        (["--env=nowhere"], "Error: no configuration environment 'nowhere'"),
        (
            ["--params=method.eta=0.5"],
            "experiment demo no_kd 6L s0: method 'no_kd' has no soft term",
        ),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], told: str) -> None:
    done = invoke("--dry-run", *arguments)
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert told in line


def test_no_workers_and_unknown_engines_are_refused() -> None:
    assert invoke("--workers=0").exit_code == 2
    assert "'slurm' is not one of 'local', 'ray'" in invoke("--engine=slurm").output


class Prepared:
    """Ends as it is told."""

    def __init__(self, end: Any) -> None:
        self.end = end

    def run(self, *_given: object, **_named: object) -> int:
        if callable(self.end):
            self.end()
        if isinstance(self.end, BaseException):
            raise self.end
        return 130 if callable(self.end) else self.end


@pytest.mark.parametrize(("end", "code"), [(0, 0), (1, 1), (130, 130), (KeyboardInterrupt(), 130)])
def test_exit_codes(end: Any, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Sweep", lambda *_given, **_named: Prepared(end))
    assert invoke().exit_code == code


def test_ctrl_c_while_planning_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_given: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "Sweep", interrupted)
    done = invoke()
    assert (done.exit_code, done.output) == (130, "")


def test_sigterm_is_handled_like_ctrl_c_and_told_apart_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def terminated() -> None:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(module, "Sweep", lambda *_given, **_named: Prepared(terminated))
    before = signal.getsignal(signal.SIGTERM)
    assert invoke().exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_demo_s_grid_is_planned_without_torch(kedro: Kedro, tmp_path: Any) -> None:
    params = f"run.store={tmp_path},run.tracking=off"
    done = kedro("sweep", "--dry-run", f"--params={params}", "--only=seed=0,method=kd")
    assert done.returncode == 0, done.stderr
    assert "3 experiments: 0 done, 0 stale, 3 to do" in done.stdout
    assert list(tmp_path.glob("0*")) == []


def test_planning_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    program = (
        "import sys\n"
        "from alpkd_pipeline.experiments import sweep\n"
        "from alpkd_pipeline.experiments import worker\n"
        "print([n for n in ('torch', 'mlflow', 'transformers', 'ray', 'optuna', 'matplotlib')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
