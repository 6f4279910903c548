from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.cron import parse_cron

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
        ("0  4\t* * 1-5", "2026-11-23 04:00"),
        ("@weekly", "2026-11-22 00:00"),
        ("@monthly", "2026-12-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("@daily", "2026-11-22 00:00"),
        ("@hourly", "2026-11-21 18:00"),
    ],
)
def test_what_comes_next(expression: str, following: str) -> None:
    assert parse_cron(expression).next_after(SATURDAY) == datetime.fromisoformat(following)


def test_over_a_century_without_its_leap_day() -> None:
    leap = parse_cron("0 0 29 2 *")
    assert leap.next_after(datetime(2096, 3, 1)) == datetime(2104, 2, 29)


@pytest.mark.parametrize(
    "expression", ["*/7 3,5 * * 1-5", "5 */6 1,15 * 0", "59 23 31 * *", "0 0 */9 feb-apr 2"]
)
def test_the_same_minutes_as_looking_at_every_one(expression: str) -> None:
    _, _, day, _, weekday = expression.split()
    parsed = parse_cron(expression)

    def comes(moment: datetime) -> bool:
        """As crontab(5) puts it, for the fields above."""
        on = moment.day in parsed.days, moment.isoweekday() % 7 in parsed.weekdays
        both = day.startswith("*") or weekday.startswith("*")
        return (
            moment.minute in parsed.minutes
            and moment.hour in parsed.hours
            and moment.month in parsed.months
            and (all(on) if both else any(on))
        )

    start = datetime(2026, 2, 1)
    every = [start + timedelta(minutes=n) for n in range(60 * 24 * 70)]
    expected = [moment for moment in every if comes(moment)]
    found, moment = [], start - timedelta(minutes=1)
    while (following := parsed.next_after(moment)) is not None and following <= every[-1]:
        found.append(following)
        moment = following
    assert found == expected
    assert found


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "0 fields instead of 5"),
        ("0 3 * *", "4 fields instead of 5"),
        ("0 3 * * 0 2026", "6 fields instead of 5"),
        ("60 3 * * 0", "minute '60' should be 0 to 59"),
        ("0 24 * * 0", "hour '24' should be 0 to 23"),
        ("0 0 0 * *", "day of month '0' should be 1 to 31"),
        ("0 0 * 13 *", "month '13' should be 1 to 12, or jan to dec"),
        ("0 0 * * 8", "day of week '8' should be 0 to 7, or sun to sat"),
        ("0 0 * * sonntag", "day of week 'sonntag'"),
        ("0 0 * * 5-1", "'5-1' ends before it starts"),
        ("*/0 * * * *", "minute '*/0'"),
        ("*/70 * * * *", "minute '*/70'"),
        ("5/15 * * * *", "minute '5/15'"),
        ("1,,2 * * * *", "minute ''"),
        ("-5 * * * *", "minute '-5'"),
        ("0 0 L * *", "day of month 'L'"),
        ("0 0 * * 5#2", "day of week '5#2'"),
        ("0 0 ? * 1", "day of month '?'"),
        ("٣ 0 * * *", "minute '٣'"),
        ("0 0 30 2 *", "it would never run"),
        ("0 0 31 4,6 *", "it would never run"),
        ("@reboot", "a start of the machine is not a time"),
        ("@weekl", "unknown; there are @yearly"),
        ("0 3 * * 0; rm -rf /", "8 fields"),
    ],
)
def test_what_cron_would_not_take_is_refused(expression: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_cron(expression)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_text_has_single_spaces() -> None:
    assert parse_cron(" 0 3\t*  * 0 ").text == "0 3 * * 0"
