"""The rest of the story is told by the tests of the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.entry import crontab_block, install, listed, remove


def test_what_is_installed_is_the_block(project: Path, table: Path) -> None:
    block = crontab_block(project, "weekly", ["run"], "0 3 * * 0")
    install(project, "weekly", block)
    assert table.read_text() == block


def test_lines_that_were_pasted_are_known(project: Path, table: Path) -> None:
    table.write_text(crontab_block(project, "weekly", ["run"], "@daily"))
    assert listed(project).startswith("weekly: @daily cd ")
    remove(project, "weekly")
    assert table.read_text() == ""
    with pytest.raises(UserError, match="there is no schedule 'weekly' of this project"):
        remove(project, "weekly")


def test_what_is_not_in_the_crontab_may_be_a_timer_to_stop_by_hand(
    project: Path, table: Path
) -> None:
    with pytest.raises(UserError, match=r"a timer of systemd goes by systemctl --user disable"):
        remove(project, "weekly")
    assert not table.exists()
