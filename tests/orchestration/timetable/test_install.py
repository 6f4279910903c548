"""The rest of the story is told by the tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.crontab import cron_schedules
from alpkd_pipeline.orchestration.timetable.entry import make_entry
from alpkd_pipeline.orchestration.timetable.install import for_cron, for_systemd, remove, show_all


@pytest.fixture(autouse=True)
def _units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_what_is_printed_is_what_would_be_installed(project: Path, table: Path) -> None:
    entry = make_entry(project, "weekly", ["run"])
    printed = for_cron(entry, "0 3 * * 0", install=False)
    assert not table.exists()
    for_cron(entry, "0 3 * * 0", install=True)
    assert table.read_text() == f"{printed.text}\n"
    assert "local time" in printed.remark


def test_lines_that_were_pasted_are_known(project: Path, table: Path) -> None:
    entry = make_entry(project, "weekly", ["run"])
    table.write_text(f"{for_cron(entry, '@daily', install=False).text}\n")
    assert [found.when for found in cron_schedules(table.read_text(), project)] == ["@daily"]
    assert show_all(project).text.startswith("weekly: cron '@daily', kedro run")
    assert remove(project, "weekly").text.startswith("weekly is removed")
    assert not table.exists()
    with pytest.raises(UserError, match="there is no schedule 'weekly' of this project"):
        remove(project, "weekly")


def test_a_wrong_time_changes_nothing(project: Path, table: Path) -> None:
    with pytest.raises(UserError, match="minute '61'"):
        for_cron(make_entry(project, "weekly", ["run"]), "61 * * * *", install=True)
    assert not table.exists()


def test_the_units_that_are_printed_say_where_they_belong(project: Path, table: Path) -> None:
    answer = for_systemd(make_entry(project, "weekly", ["run"]), "daily", install=False)
    assert f"# {project.parent}/config/systemd/user/alpkd-weekly-" in answer.text
    assert "enable --now alpkd-weekly-" in answer.remark
