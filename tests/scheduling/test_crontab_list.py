from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from alpkd_pipeline.scheduling.crontab import listed
from alpkd_pipeline.scheduling.entry import crontab_block, make_entry
from alpkd_pipeline.scheduling.run_log import LOCK, held, log_folder, remember
from alpkd_pipeline.scheduling.start import start

NOW = datetime(2026, 11, 21, 17, 30)


@pytest.fixture
def line(project: Path, table: Path) -> str:
    """A crontab with one schedule, and its text."""
    made = crontab_block(make_entry(project, "weekly", ["rerun", "--latest-green"]), "0 3 * * 0")
    table.write_text(made)
    return made


def test_nothing_yet(project: Path, table: Path) -> None:
    assert listed(project, NOW) == "no schedules of this project: kedro schedule --help"


def test_one_that_never_ran(project: Path, line: str) -> None:
    first, following, last = listed(project, NOW).splitlines()
    assert first == "weekly: cron '0 3 * * 0', kedro rerun --latest-green"
    assert following.startswith("  next: Sun 2026-11-22 03:00")
    assert last == "  last: never"


def test_how_the_last_run_ended_and_where_its_log_is(project: Path, line: str) -> None:
    start(project, "weekly", ["fail", "1"])
    lines = listed(project, NOW).splitlines()
    assert "exit code 1 after" in lines[2]
    assert lines[2].endswith(": moved by 0.1")
    assert (project / lines[3].strip()).is_file()


def test_one_that_runs_and_one_that_did_not_end(project: Path, line: str) -> None:
    folder = log_folder(project, "weekly")
    remember(folder, {"started": "2026-11-21T17:00:00Z", "exit_code": None, "log": "logs/x"})
    with held(folder / LOCK):
        assert "2026-11-21T17:00:00Z, still running, logs/x" in listed(project, NOW)
    assert "did not end, logs/x" in listed(project, NOW)


def test_a_line_that_was_spoilt_or_switched_off(project: Path, table: Path, line: str) -> None:
    table.write_text(line.replace("0 3 * * 0", "61 3 * * 0"))
    assert "next: unknown (cron '61 3 * * 0': minute" in listed(project, NOW)
    table.write_text(line.replace("0 3 * * 0", "# 0 3 * * 0"))
    assert "never, its line in the crontab is gone" in listed(project, NOW)


def test_what_was_started_by_hand_or_by_another_scheduler(project: Path, table: Path) -> None:
    start(project, "weekly", ["say", "x"])
    assert listed(project, NOW).startswith("weekly: not in the crontab, kedro say x\n")
    table.write_text(crontab_block(make_entry(project, "weekly", ["say"]), "@daily"))
    assert "not in the crontab" not in listed(project, NOW)
