"""Cron expressions: what crontab accepts, and when it comes next.

Follows crontab(5) of the cron by Paul Vixie that Linux systems ship. What only some crons know
(`L`, `W`, `#`, `?`, `~`, a step after a single number) is refused: others would reject the line, or
read it differently.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

from alpkd_pipeline.errors import UserError

SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

LONGEST_GAP_DAYS = 8 * 366
"""29 February is away for eight years where a century is no leap year; nothing takes longer."""

_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)


_FIELDS = (
    ("minute", 0, 59, ""),
    ("hour", 0, 23, ""),
    ("day of month", 1, 31, ""),
    ("month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    ("day of week", 0, 7, "sun mon tue wed thu fri sat"),
)
"""Name, least and greatest number, and words that stand for numbers from the least on."""


class CronExpression(NamedTuple):
    """A checked expression: as it was written, with single spaces, and what it stands for.

    If both kinds of day are restricted, cron takes a day that fits either of them.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def next_after(self, moment: datetime) -> datetime | None:
        """The first minute after a moment at which cron starts it; None when there is none.

        Both are local time without a zone, as cron looks at the clock; hours that the clock skips
        or repeats twice a year are not treated apart.
        """
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for day in (midnight + timedelta(days=n) for n in range(LONGEST_GAP_DAYS)):
            # Python counts from Monday, cron from Sunday.
            fits = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
            if day.month in self.months and (any(fits) if self.either_day else all(fits)):
                for hour, minute in product(sorted(self.hours), sorted(self.minutes)):
                    found = day.replace(hour=hour, minute=minute)
                    if found > moment:
                        return found
        return None


def parse_cron(text: str) -> CronExpression:
    """Check five fields or a shorthand such as @weekly; a UserError says what is allowed."""
    text = " ".join(text.split())
    if text == "@reboot":
        raise UserError("cron '@reboot': a start of the machine is not a time; use @weekly, @daily")
    if text.startswith("@") and text not in SHORTHANDS:
        raise UserError(f"cron '{text}': unknown; there are {', '.join(SHORTHANDS)}")
    fields = SHORTHANDS.get(text, text).split()
    if len(fields) != len(_FIELDS):
        raise UserError(
            f"cron '{text}': {len(fields)} fields instead of 5: minute, hour, day of month, month,"
            " day of week, such as '0 3 * * 0'"
        )
    try:
        minutes, hours, days, months, weekdays = (
            frozenset(number for part in given.split(",") for number in _numbers(part, *field))
            for field, given in zip(_FIELDS, fields, strict=True)
        )
    except ValueError as error:
        raise UserError(f"cron '{text}': {error}") from None
    weekdays = frozenset(day % 7 for day in weekdays)  # 7 is Sunday too
    either_day = not any(fields[place].startswith("*") for place in (2, 4))
    found = CronExpression(text, minutes, hours, days, months, weekdays, either_day)
    if found.next_after(datetime(2000, 1, 1)) is None:
        raise UserError(f"cron '{text}': no month has such a day, it would never run")
    return found


def _numbers(part: str, name: str, low: int, high: int, words: str) -> range:
    found = _PART.fullmatch(part)
    step = int(found["step"] or 1) if found else 0
    stepped_number = found and found["step"] and found["first"] and not found["last"]
    if found is None or not 0 < step <= high or stepped_number:
        raise ValueError(
            f"{name} '{part}' should be a number, a range such as {low}-{high}, *, or one of the"
            " two with a step such as */2"
        )
    names = {word: number for number, word in enumerate(words.split(), start=low)}
    ends = []
    for word in (found["first"] or str(low), found["last"] or found["first"] or str(high)):
        number = names.get(word.lower(), int(word) if word.isdigit() else -1)
        if not low <= number <= high:
            told = f", or {words[:3]} to {words[-3:]}" if words else ""
            raise ValueError(f"{name} '{word}' should be {low} to {high}{told}")
        ends.append(number)
    if ends[1] < ends[0]:
        raise ValueError(
            f"{name} '{part}' ends before it starts; write two ranges joined by a comma"
        )
    return range(ends[0], ends[1] + 1, step)
