"""Cron expressions: what crontab accepts, and when it comes next.

Follows crontab(5) of the cron by Paul Vixie that Linux systems ship. What only some crons know
(`L`, `W`, `#`, `?`, `~`, a step after a single number) is refused: others would reject the line, or
read it differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

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
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

LONGEST_GAP = timedelta(days=8 * 366)
"""29 February is away for eight years where a century is no leap year; nothing takes longer."""

_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields: its name, its range, and words that stand for numbers."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 0, 7, WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class CronExpression:
    """A checked expression.

    Attributes:
        text: as it was written, with single spaces.
        either_day: both kinds of day are restricted; then cron takes a day that fits one of them.
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

        Args:
            moment: local time without a zone, as cron looks at the clock. Hours that the clock
                skips or repeats twice a year are not treated apart.
        """
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        for _ in range(LONGEST_GAP.days):
            if self._on(day):
                for hour, minute in product(sorted(self.hours), sorted(self.minutes)):
                    found = day.replace(hour=hour, minute=minute)
                    if found > moment:
                        return found
            day += timedelta(days=1)
        return None

    def _on(self, day: datetime) -> bool:
        # Python counts from Monday, cron from Sunday.
        fits = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        return day.month in self.months and (any(fits) if self.either_day else all(fits))


def parse_cron(text: str) -> CronExpression:
    """Check a cron expression: five fields, or a shorthand such as @weekly.

    Raises:
        UserError: names the field, what is wrong and what is allowed.
    """
    text = " ".join(text.split())
    if text == "@reboot":
        raise UserError("cron '@reboot': a start of the machine is not a time; use @weekly, @daily")
    if text.startswith("@") and text not in SHORTHANDS:
        raise UserError(f"cron '{text}': unknown; there are {', '.join(SHORTHANDS)}")
    fields = SHORTHANDS.get(text, text).split()
    if len(fields) != len(FIELDS):
        raise UserError(
            f"cron '{text}': {len(fields)} fields instead of 5: minute, hour, day of month, month,"
            " day of week, such as '0 3 * * 0'"
        )
    values = [_values(field, given, text) for field, given in zip(FIELDS, fields, strict=True)]
    minutes, hours, days, months, weekdays = values
    weekdays = frozenset(day % 7 for day in weekdays)  # 7 is Sunday too
    starred = any(fields[place].startswith("*") for place in (2, 4))
    found = CronExpression(text, minutes, hours, days, months, weekdays, not starred)
    if found.next_after(datetime(2000, 1, 1)) is None:
        raise UserError(f"cron '{text}': no month has such a day, it would never run")
    return found


def _values(field: Field, given: str, text: str) -> frozenset[int]:
    return frozenset(number for part in given.split(",") for number in _part(field, part, text))


def _part(field: Field, part: str, text: str) -> range:
    found = _PART.fullmatch(part)
    step = int(found["step"] or 1) if found else 0
    if (
        found is None
        or not 0 < step <= field.high
        or (found["step"] and found["first"] and not found["last"])
    ):
        raise UserError(
            f"cron '{text}': {field.name} '{part}' should be a number, a range such as"
            f" {field.low}-{field.high}, *, or one of the two with a step such as */2"
        )
    if found["first"] is None:
        return range(field.low, field.high + 1, step)
    first = _number(field, found["first"], text)
    last = _number(field, found["last"], text) if found["last"] else first
    if last < first:
        raise UserError(
            f"cron '{text}': {field.name} '{part}' ends before it starts; write two ranges joined"
            " by a comma"
        )
    return range(first, last + 1, step)


def _number(field: Field, word: str, text: str) -> int:
    if word.lower() in field.words:
        # Months are counted from 1, days of the week from 0.
        return field.words.index(word.lower()) + field.low
    number = int(word) if word.isdigit() else -1
    if not field.low <= number <= field.high:
        names = f", or {field.words[0]} to {field.words[-1]}" if field.words else ""
        raise UserError(
            f"cron '{text}': {field.name} '{word}' should be {field.low} to {field.high}{names}"
        )
    return number
