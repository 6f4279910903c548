from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alpkd_pipeline.scheduling.entry import start_words, unit_files

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def files(project: Path, *command: str, when: str = "Sun 03:00") -> dict[str, str]:
    words = start_words(project, "weekly", command or ("rerun", "--latest-green"))
    return unit_files(project, "weekly", words, when)


def test_no_other_project_has_units_of_the_same_name(tmp_path: Path) -> None:
    made = [files(tmp_path / name) for name in ("one", "other")]
    assert len({file for each in made for file in each}) == 4


def test_the_service_runs_the_start_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALPKD_GLUE_DIR", "HF_HOME", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (service, text), (timer, when) = files(tmp_path).items()
    assert (service[-8:], timer[-6:]) == (".service", ".timer")
    lines = text.splitlines()
    assert f"Description=alpkd_pipeline: weekly ({tmp_path})" in lines
    assert f"WorkingDirectory={tmp_path}" in lines
    assert (
        f"ExecStart=/usr/bin/env HF_HUB_OFFLINE=1 {sys.executable} -m kedro schedule --start weekly"
        " -- rerun --latest-green"
    ) in lines
    assert {"OnCalendar=Sun 03:00", "Persistent=true"} < set(when.splitlines())


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "50% 'odd' $HOME"
    project.mkdir()
    monkeypatch.setenv("HF_HOME", "/h %h")
    folder = tmp_path / "units"
    folder.mkdir()
    for file, text in files(project, "run", "--params=a=5%,b=x y", "$(id)", ";").items():
        (folder / file).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, folder.iterdir())],
        capture_output=True,
        text=True,
        # Units of other programs on this machine are not our business.
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{folder}:/usr/lib/systemd/system"},
    )
    assert "alpkd-" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


@needs_systemd
def test_systemd_names_a_file_that_is_wrong(tmp_path: Path) -> None:
    """The test above can fail."""
    (service, text), (timer, when) = files(tmp_path).items()
    (tmp_path / service).write_text(text.replace("ExecStart=/", "ExecStart=/nowhere/"))
    (tmp_path / timer).write_text(when)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / service)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:/usr/lib/systemd/system"},
    )
    assert "nowhere" in done.stderr


def test_words_of_a_unit_mean_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd would put the host's name for %H and a variable's value for $HOME."""
    project = tmp_path / "50% off"
    monkeypatch.setenv("HF_HOME", "/h %h")
    made = files(project, "run", "--params=a=%H,b=$HOME", "100%", 'say "x"')
    (service, text), (_, timer) = made.items()
    lines = text.splitlines()
    assert service.endswith(".service")
    assert f"WorkingDirectory={tmp_path}/50%% off" in lines
    (command,) = (line for line in lines if line.startswith("ExecStart="))
    assert ' "HF_HOME=/h %%h" ' in command
    assert command.endswith(r'-- run "--params=a=%%H,b=$$HOME" "100%%" "say \"x\""')
    for line in (*lines, *timer.splitlines()):
        assert line.startswith("#") or "%" not in line.replace("%%", "")
