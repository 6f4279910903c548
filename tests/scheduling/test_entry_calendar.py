from __future__ import annotations

import shutil

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.entry import check_calendar

asks_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


@asks_systemd
@pytest.mark.parametrize("expression", ["Sun 03:00", "daily", "*-*-01 04:30"])
def test_what_systemd_understands_is_taken(expression: str) -> None:
    check_calendar(expression)


@asks_systemd
@pytest.mark.parametrize("expression", ["Sunday at three", "0 3 * * 0", "--help", "25:00"])
def test_what_systemd_does_not_understand_is_refused(expression: str) -> None:
    with pytest.raises(UserError, match="does not understand it"):
        check_calendar(expression)


@pytest.mark.parametrize("expression", ["", "  ", "daily\nUnit=other.service"])
def test_what_would_break_the_file_is_refused_without_systemd(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="empty or has control characters"):
        check_calendar(expression)


def test_without_systemd_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    check_calendar("Sunday at three")
