from __future__ import annotations

import shutil

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.on_calendar import next_elapse

asks_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


@asks_systemd
@pytest.mark.parametrize("expression", ["Sun 03:00", "daily", "*-*-01 04:30"])
def test_systemd_says_when_it_comes_next(expression: str) -> None:
    found = next_elapse(expression)
    assert found is not None
    assert ":" in found
    assert ("Sun" in found) or expression != "Sun 03:00"


@asks_systemd
@pytest.mark.parametrize("expression", ["Sunday at three", "0 3 * * 0", "--help", "25:00"])
def test_what_systemd_does_not_understand_is_refused(expression: str) -> None:
    with pytest.raises(UserError, match="does not understand it"):
        next_elapse(expression)


@asks_systemd
def test_a_moment_in_the_past_is_refused() -> None:
    with pytest.raises(UserError, match="it would never run"):
        next_elapse("2020-01-01")


@pytest.mark.parametrize("expression", ["", "  ", "daily\nUnit=other.service"])
def test_what_would_break_the_file_is_refused_without_systemd(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="empty or has control characters"):
        next_elapse(expression)


def test_without_systemd_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert next_elapse("Sun 03:00") is None
