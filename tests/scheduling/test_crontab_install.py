"""The rest of the story is told by the tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.crontab import crontab_block, install, listed, remove
from alpkd_pipeline.scheduling.entry import make_entry


def test_what_is_installed_is_the_block(project: Path, table: Path) -> None:
    entry = make_entry(project, "weekly", ["run"])
    install(entry, crontab_block(entry, "0 3 * * 0"))
    assert table.read_text() == crontab_block(entry, "0 3 * * 0")


def test_lines_that_were_pasted_are_known(project: Path, table: Path) -> None:
    table.write_text(crontab_block(make_entry(project, "weekly", ["run"]), "@daily"))
    assert listed(project).startswith("weekly: @daily cd ")
    remove(project, "weekly")
    assert not table.exists()
    with pytest.raises(UserError, match="there is no schedule 'weekly' of this project"):
        remove(project, "weekly")


def test_what_is_not_in_the_crontab_may_be_a_timer_to_stop_by_hand(
    project: Path, table: Path
) -> None:
    with pytest.raises(UserError, match=r"--user disable --now alpkd-weekly-\w{8}\.timer"):
        remove(project, "weekly")
