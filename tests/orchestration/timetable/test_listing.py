from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from alpkd_pipeline.orchestration.timetable.crontab import crontab_block
from alpkd_pipeline.orchestration.timetable.entry import make_entry
from alpkd_pipeline.orchestration.timetable.listing import listed
from alpkd_pipeline.orchestration.timetable.lock import held
from alpkd_pipeline.orchestration.timetable.run_log import log_folder, remember
from alpkd_pipeline.orchestration.timetable.start import LOCK, start
from alpkd_pipeline.orchestration.timetable.systemd import TimerSchedule

NOW = datetime(2026, 11, 21, 17, 30)


def crontab(project: Path, when: str = "0 3 * * 0") -> str:
    return crontab_block(make_entry(project, "weekly", ["rerun", "--latest-green"]), when)


def test_nothing_yet(project: Path) -> None:
    assert listed(project, "", [], NOW) == "no schedules of this project: kedro schedule --help"


def test_one_that_never_ran(project: Path) -> None:
    first, following, last = listed(project, crontab(project), [], NOW).splitlines()
    assert first == "weekly: cron '0 3 * * 0', kedro rerun --latest-green"
    assert following.startswith("  next: Sun 2026-11-22 03:00")
    assert last == "  last: never"


def test_how_the_last_run_ended_and_where_its_log_is(project: Path) -> None:
    start(project, "weekly", ["fail", "1"])
    lines = listed(project, crontab(project), [], NOW).splitlines()
    assert "exit code 1 after" in lines[2]
    assert lines[2].endswith(": moved by 0.1")
    assert (project / lines[3].strip()).is_file()


def test_one_that_runs_and_one_that_did_not_end(project: Path) -> None:
    folder = log_folder(project, "weekly")
    remember(folder, {"started": "2026-11-21T17:00:00Z", "exit_code": None, "log": "logs/x"})
    with held(folder / LOCK):
        assert "2026-11-21T17:00:00Z, still running, logs/x" in listed(
            project, crontab(project), [], NOW
        )
    assert "did not end, logs/x" in listed(project, crontab(project), [], NOW)


def test_a_line_that_was_spoilt_or_switched_off(project: Path) -> None:
    spoilt = crontab(project).replace("0 3 * * 0", "61 3 * * 0")
    assert "next: unknown (cron '61 3 * * 0': minute" in listed(project, spoilt, [], NOW)
    off = crontab(project).replace("0 3 * * 0", "# 0 3 * * 0")
    assert "never, its line in the crontab is gone" in listed(project, off, [], NOW)


def test_timers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timers = [TimerSchedule("weekly", "Sun 03:00", "kedro rerun", active)
              for active in (True, False)]  # fmt: skip
    on, off = (listed(project, "", [timer], NOW).splitlines() for timer in timers)
    assert on[0] == "weekly: systemd 'Sun 03:00', kedro rerun"
    assert ("03:00:00" in on[1]) or ("list-timers" in on[1])
    assert "never, the timer is not active" in off[1]


def test_what_was_started_by_hand(project: Path) -> None:
    start(project, "weekly", ["say", "x"])
    assert listed(project, "", [], NOW).startswith("weekly: not installed, kedro say x\n")
    assert "not installed" not in listed(project, crontab(project), [], NOW)
