from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.entry import Entry, unit_files

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def entry(project: Path, name: str = "weekly", *command: str, **environment: str) -> Entry:
    return Entry(
        name, project.resolve(), sys.executable, environment, command or ("rerun", "--latest-green")
    )


def test_no_other_project_has_units_of_the_same_name(tmp_path: Path) -> None:
    files = [unit_files(entry(tmp_path / name), "daily") for name in ("one", "other")]
    assert len({file for each in files for file in each}) == 4


def test_the_service_runs_the_start_in_the_project(tmp_path: Path) -> None:
    files = unit_files(entry(tmp_path, HF_HUB_OFFLINE="1"), "Sun 03:00")
    (service,), (timer,) = (
        [text for file, text in files.items() if file.endswith(kind)]
        for kind in (".service", ".timer")
    )
    lines = service.splitlines()
    assert f"Description=alpkd_pipeline: weekly ({tmp_path})" in lines
    assert f"WorkingDirectory={tmp_path}" in lines
    assert "Environment=HF_HUB_OFFLINE=1" in lines
    assert (
        f"ExecStart={sys.executable} -m kedro schedule --start weekly -- rerun --latest-green"
        in lines
    )
    assert {"OnCalendar=Sun 03:00", "Persistent=true"} < set(timer.splitlines())


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_files(tmp_path: Path) -> None:
    project = tmp_path / "50% 'odd' $HOME"
    project.mkdir()
    made = entry(project, "weekly", "run", "--params=a=5%,b=x y", "$(id)", ";", HF_HOME="/h %h")
    folder = tmp_path / "units"
    folder.mkdir()
    for file, text in unit_files(made, "Sun 03:00").items():
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
    (service, text), (timer, when) = unit_files(entry(tmp_path), "Sun 03:00").items()
    (tmp_path / service).write_text(text.replace("ExecStart=/", "ExecStart=/nowhere/"))
    (tmp_path / timer).write_text(when)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / service)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:/usr/lib/systemd/system"},
    )
    assert "nowhere" in done.stderr


def test_words_of_a_unit_mean_what_they_say(tmp_path: Path) -> None:
    """systemd would put the host's name for %H and a variable's value for $HOME."""
    project = tmp_path / "50% off"
    made = entry(project, "weekly", "run", "--params=a=%H,b=$HOME", "100%", HF_HOME="/h %h")
    (service, text), (_, timer) = unit_files(made, "Sun 03:00").items()
    lines = text.splitlines()
    assert service.endswith(".service")
    assert 'Environment="HF_HOME=/h %%h"' in lines
    assert f"WorkingDirectory={tmp_path}/50%% off" in lines
    (command,) = (line for line in lines if line.startswith("ExecStart="))
    assert command.endswith('-- run "--params=a=%%H,b=$$HOME" "100%%"')
    for line in (*lines, *timer.splitlines()):
        assert line.startswith("#") or "%" not in line.replace("%%", "")


@pytest.mark.parametrize("expression", ["", "  ", "daily\nUnit=other.service"])
def test_a_time_that_would_break_the_file_is_refused(expression: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="empty or has control characters"):
        unit_files(entry(tmp_path), expression)
