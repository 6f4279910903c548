from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.scheduling.entry import crontab_block, listed
from alpkd_pipeline.scheduling.start import log_folder, start
from alpkd_pipeline.store.manifest import write_json


@pytest.fixture
def line(project: Path, table: Path) -> str:
    """A crontab with one schedule, and its text."""
    made = crontab_block(project, "weekly", ["kedro", "rerun"], "0 3 * * 0")
    table.write_text(made)
    return made


def test_nothing_yet(project: Path, table: Path) -> None:
    assert listed(project) == "no schedules of this project: kedro schedule --help"


def test_one_that_never_ran(project: Path, line: str) -> None:
    first, last = listed(project).splitlines()
    assert first == f"weekly: {line.splitlines()[1]}"
    assert last == "  last: never"


def test_how_the_last_run_ended_and_where_its_log_is(project: Path, line: str) -> None:
    start(project, "weekly", ["fail", "1"])
    said = listed(project).splitlines()[1]
    assert ": kedro fail 1 ended with exit code 1 after" in said
    verdict, log = said.removesuffix(")").split(" (")
    assert verdict.endswith(": moved by 0.1")
    assert (project / log).is_file()


def test_a_report_of_an_earlier_version_says_when(project: Path, line: str) -> None:
    write_json(log_folder(project, "weekly") / "last.json", {"started": "2026-11-21T17:00:00Z"})
    assert listed(project).endswith("\n  last: 2026-11-21T17:00:00Z")


def test_a_line_that_was_changed_or_switched_off_is_shown_as_it_is(
    project: Path, table: Path, line: str
) -> None:
    begin, job, end = line.splitlines()
    table.write_text(f"{begin}\n# {job}\n{end}\n")
    assert listed(project).startswith(f"weekly: # {job}\n")
    table.write_text(f"{begin}\n{end}\n")
    assert listed(project).startswith("weekly: not in the crontab\n")


def test_what_was_started_by_hand_or_by_another_scheduler(project: Path, table: Path) -> None:
    start(project, "weekly", ["say", "x"])
    assert listed(project).startswith("weekly: not in the crontab\n  last: ")
    assert ": kedro say x ended with exit code 0 after" in listed(project)
    table.write_text(crontab_block(project, "weekly", ["say"], "@daily"))
    assert "not in the crontab" not in listed(project)
