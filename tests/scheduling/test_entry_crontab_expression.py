from __future__ import annotations

from datetime import datetime

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.entry import next_start

SATURDAY = datetime(2026, 11, 21, 17, 30, 20)


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("0 3 * * 0", "2026-11-22 03:00"),
        ("0 3 * * 7", "2026-11-22 03:00"),
        ("0 3 * * sun", "2026-11-22 03:00"),
        ("30 17 * * *", "2026-11-22 17:30"),
        ("31 17 * * *", "2026-11-21 17:31"),
        ("*/20 * * * *", "2026-11-21 17:40"),
        ("10-50/20 8-9 * * *", "2026-11-22 08:10"),
        ("0 0 1 jan,JUN *", "2027-01-01 00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 0 13 * 5", "2026-11-27 00:00"),  # the 13th or a Friday
        ("0 0 13 * *", "2026-12-13 00:00"),
        ("0 0 */2 * 1", "2026-11-23 00:00"),  # a star: odd days that are Mondays
        ("0 4 * * 1-5", "2026-11-23 04:00"),
        ("@weekly", "2026-11-22 00:00"),
        ("@monthly", "2026-12-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("@daily", "2026-11-22 00:00"),
        ("@hourly", "2026-11-21 18:00"),
    ],
)
def test_what_comes_next(expression: str, following: str) -> None:
    assert next_start(expression, SATURDAY) == datetime.fromisoformat(following)


def test_over_a_century_without_its_leap_day() -> None:
    assert next_start("0 0 29 2 *", datetime(2096, 3, 1)) == datetime(2104, 2, 29)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "wrong number of fields"),
        ("0 3 * *", "wrong number of fields"),
        ("0 3 * * 0 2026", "wrong number of fields"),
        ("60 3 * * 0", "bad minute"),
        ("0 24 * * 0", "bad hour"),
        ("0 0 0 * *", "bad day-of-month"),
        ("0 0 * 13 *", "bad month"),
        ("0 0 * * 8", "bad day-of-week"),
        ("0 0 * * sonntag", "bad day-of-week"),
        ("0 0 * jux *", "bad month"),
        ("0 0 * * 5-1", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("*/70 * * * *", "bad minute"),
        ("1,,2 * * * *", "bad minute"),
        ("-5 * * * *", "bad minute"),
        ("٣ 0 * * *", "bad minute"),
        ("0 0 30 2 *", "bad day-of-month"),  # it would never run
        ("0 0 31 4,6 *", "bad day-of-month"),
        ("@reboot", "or one of @yearly"),
        ("@weekl", "or one of @yearly"),
        ("0 3 * * 0; rm -rf /", "wrong number of fields"),
    ],
)
def test_what_cron_would_not_take_is_refused(expression: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        next_start(expression, SATURDAY)
    assert f"cron '{expression}': " in str(refused.value)
    assert said in str(refused.value)
    assert "such as '0 3 * * 0'" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        ("5/15 * * * *", "minute"),
        ("0 0 L * *", "day-of-month"),
        ("0 0 LW * *", "day-of-month"),
        ("0 0 15W * *", "day-of-month"),
        ("0 0 L/2 * *", "day-of-month"),
        ("0 0 ? * 1", "day-of-month"),
        ("0~30 0 * * 1", "minute"),
        ("0 0 * * 5#2", "day-of-week"),
        ("0 0 * * 5L", "day-of-week"),
        ("0 0 * * l", "day-of-week"),
    ],
)
def test_what_only_some_crons_know_is_refused(expression: str, field: str) -> None:
    with pytest.raises(UserError, match=f"^cron '.*': bad {field}; write minute, hour"):
        next_start(expression, SATURDAY)
