"""`kedro rerun`: what it refuses. What it does is told in behaviour/test_rerun.py."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.projects import copied_project
from tests.reproduce.conftest import write_run

from alpkd_pipeline.commands import rerun as module
from alpkd_pipeline.commands.rerun import rerun
from alpkd_pipeline.reproduce.plan import damage
from alpkd_pipeline.reproduce.result import Rerun


class Metadata:
    def __init__(self, root: Path) -> None:
        self.project_path = root


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Metadata:
    from kedro.framework.startup import bootstrap_project

    root = copied_project(tmp_path_factory.mktemp("project") / "root", tracking="off")
    bootstrap_project(root)
    return Metadata(root)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ([], 2, "name a RUN, or give --latest-green"),
        (["deadbeef", "--latest-green"], 2, "name a RUN, or give --latest-green"),
        (["deadbeef", "--filter", "seed=0"], 2, "--filter belongs to --latest-green"),
        (["deadbeef"], 1, "no run 'deadbeef'"),
        (["de" * 16], 1, "while tracking is off"),
        (["/no/such/folder"], 1, "no run '/no/such/folder'"),
        (["--latest-green"], 1, "--pipeline=compare"),
        (["--latest-green", "--filter", "methode=kd"], 1, "did you mean 'method'"),
        (["deadbeef", "--params=run.stor=x"], 1, "did you mean 'run.store'"),
        (["deadbeef", "--env=nowhere"], 1, "no configuration environment 'nowhere'"),
    ],
)
def test_a_mistake_is_one_line(
    project: Metadata, arguments: list[str], code: int, line: str
) -> None:
    done = CliRunner().invoke(rerun, arguments, obj=project)
    assert done.exit_code == code, done.output
    said = [text for text in done.output.splitlines() if text.startswith("Error:")]
    assert len(said) == 1
    assert line in said[0]
    assert "Traceback" not in done.output
    assert not (project.project_path / "data" / "09_reruns").exists()


def test_a_dry_run_of_a_damaged_original_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = write_run(tmp_path / "store", weights=b"a")
    planned = Rerun(original, tuple(damage(original)))
    monkeypatch.setattr(module, "_setting", lambda *_: None)
    monkeypatch.setattr(module, "_planned", lambda *_: ([planned], "x", "x", ()))
    done = CliRunner().invoke(rerun, ["x", "--dry-run"], obj=Metadata(tmp_path))
    assert done.exit_code == 0, done.output
    (original.path / "model.safetensors").write_text("b")
    planned = replace(planned, differences=tuple(damage(original)))
    done = CliRunner().invoke(rerun, ["x", "--dry-run"], obj=Metadata(tmp_path))
    assert done.exit_code == 1, done.output
    assert "differs today: model.safetensors of the student: sha256 ca978112" in done.output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_it_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    monkeypatch.setattr(module, "_setting", lambda *_: None)
    monkeypatch.setattr(module, "_planned", lambda *_: signal.raise_signal(number))
    done = CliRunner().invoke(rerun, ["x"], obj=Metadata(tmp_path))
    assert (done.exit_code, done.output) == (code, "stopped; the same command goes on\n")
