from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.orchestration.timetable.conftest import program

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.entry import Entry
from alpkd_pipeline.orchestration.timetable.systemd import (
    TimerSchedule,
    install_units,
    remove_units,
    timer_schedules,
    unit_files,
    unit_folder,
)

SYSTEMCTL = """#!/bin/sh
# A manager that does what it is told and writes it down.
shift 2
echo "$@" >> "$CALLS"
[ -z "$TROUBLE" ] || { echo "$TROUBLE" >&2; exit 1; }
"""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "programs").mkdir()
    program(tmp_path / "programs" / "systemctl", SYSTEMCTL)
    monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("TROUBLE", "")
    return tmp_path / "calls"


def entry(project: Path, name: str = "weekly", *command: str, **environment: str) -> Entry:
    return Entry(
        name, project.resolve(), sys.executable, environment, command or ("rerun", "--latest-green")
    )


def test_units_lie_in_this_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert unit_folder() == Path("/home/me/.config/systemd/user")


def test_the_service_runs_the_start_in_the_project(tmp_path: Path) -> None:
    files = unit_files(entry(tmp_path, HF_HUB_OFFLINE="1"), "Sun 03:00")
    (service,), (timer,) = (
        [text for file, text in files.items() if file.endswith(kind)]
        for kind in (".service", ".timer")
    )
    lines = service.splitlines()
    assert lines[0] == f"# alpkd_pipeline schedule weekly of {tmp_path}"
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


def test_installed_listed_and_removed(tmp_path: Path, calls: Path) -> None:
    made = entry(tmp_path, "weekly", "run", "--params=a=5%,b='x y'", "$x", 'c"d')
    install_units(made, unit_files(made, "Sun 03:00"))
    timer = next(unit_folder().glob("*.timer")).name
    assert calls.read_text().splitlines()[-3:] == [
        "daemon-reload",
        f"enable {timer}",
        f"restart {timer}",
    ]
    assert timer_schedules(tmp_path) == [TimerSchedule("weekly", "Sun 03:00", made.shown, True)]
    assert remove_units(tmp_path, "weekly")
    assert f"disable --now {timer}" in calls.read_text().splitlines()
    assert list(unit_folder().iterdir()) == []
    assert not remove_units(tmp_path, "weekly")


def test_a_project_sees_its_own_alone(tmp_path: Path, calls: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for project in (tmp_path, other):
        install_units(entry(project), unit_files(entry(project), "daily"))
    assert len(list(unit_folder().glob("*.timer"))) == 2
    assert remove_units(tmp_path, "weekly")
    assert [s.name for s in timer_schedules(other)] == ["weekly"]
    assert timer_schedules(tmp_path) == []


def test_where_systemd_does_not_run_nothing_is_written(
    tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TROUBLE", "Failed to connect to bus")
    with pytest.raises(UserError, match=r"not running for this user \(Failed to connect to bus\)"):
        install_units(entry(tmp_path), unit_files(entry(tmp_path), "daily"))
    assert not unit_folder().exists()


def test_files_can_be_removed_where_systemd_does_not_run(
    tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_units(entry(tmp_path), unit_files(entry(tmp_path), "daily"))
    monkeypatch.setenv("TROUBLE", "Failed to connect to bus")
    assert [s.active for s in timer_schedules(tmp_path)] == [False]
    assert remove_units(tmp_path, "weekly")
    assert timer_schedules(tmp_path) == []


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
