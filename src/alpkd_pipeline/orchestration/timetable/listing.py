"""The schedules of a project: where they stand, when they come, how the last run ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.timetable.cron import parse_cron
from alpkd_pipeline.orchestration.timetable.crontab import CronSchedule, cron_schedules
from alpkd_pipeline.orchestration.timetable.lock import is_held
from alpkd_pipeline.orchestration.timetable.on_calendar import next_elapse
from alpkd_pipeline.orchestration.timetable.run_log import LAST, last_outcome, log_folder
from alpkd_pipeline.orchestration.timetable.start import LOCK
from alpkd_pipeline.orchestration.timetable.systemd import TimerSchedule
from alpkd_pipeline.program import as_typed


def listed(project: Path, crontab: str, timers: list[TimerSchedule], now: datetime) -> str:
    """All schedules of a project as text, a block of lines for each.

    Args:
        project: the project's folder.
        crontab: this user's crontab.
        timers: the project's timers.
        now: local time, for what comes next.
    """
    crons = cron_schedules(crontab, project)
    blocks = [
        *(
            _block(project, s.name, f"cron '{s.when}'", s.command, _next_cron(s, now))
            for s in crons
        ),
        *(
            _block(project, s.name, f"systemd '{s.when}'", s.command, _next_timer(s))
            for s in timers
        ),
        *_started_otherwise(project, {s.name for s in crons} | {s.name for s in timers}),
    ]
    return "\n".join(blocks) or as_typed("no schedules of this project: kedro schedule --help")


def local_time(moment: datetime) -> str:
    """A moment of local time with its zone."""
    return moment.astimezone().strftime("%a %Y-%m-%d %H:%M %Z")


def _block(project: Path, name: str, when: str, command: str, following: str) -> str:
    return "\n".join(
        [
            f"{name}: {when}, {command}",
            f"  next: {following}",
            f"  last: {_last(project, name)}",
        ]
    )


def _next_cron(schedule: CronSchedule, now: datetime) -> str:
    if not schedule.when:
        return "never, its line in the crontab is gone or switched off"
    try:
        following = parse_cron(schedule.when).next_after(now)
    except UserError as error:
        return f"unknown ({error})"
    return local_time(following) if following else "never"


def _next_timer(schedule: TimerSchedule) -> str:
    if not schedule.active:
        return "never, the timer is not active: install it again"
    try:
        return next_elapse(schedule.when) or "see systemctl --user list-timers"
    except UserError as error:
        return f"unknown ({error})"


def _last(project: Path, name: str) -> str:
    folder = log_folder(project, name)
    outcome = last_outcome(folder)
    if not outcome:
        return "never"
    return f"{outcome.get('started', '?')}, {_ending(folder, outcome)}"


def _ending(folder: Path, outcome: dict[str, Any]) -> str:
    log = outcome.get("log", "")
    if outcome.get("exit_code") is None:
        return f"still running, {log}" if is_held(folder / LOCK) else f"did not end, {log}"
    after = f" after {outcome['seconds']} s" if "seconds" in outcome else ""
    end = f"exit code {outcome['exit_code']}{after}"
    verdict = f": {outcome['verdict']}" if outcome.get("verdict") else ""
    return f"{end}{verdict}" + (f"\n        {log}" if log else "")


def _started_otherwise(project: Path, known: set[str]) -> Iterator[str]:
    """Names with an outcome that neither scheduler knows: started by hand, or by another one."""
    for last in sorted(log_folder(project, "").glob(f"*/{LAST}")):
        name = last.parent.name
        if name not in known:
            command = last_outcome(last.parent).get("command", "?")
            yield _block(project, name, "not installed", command, "unknown")
