from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from alpkd_pipeline.scheduling.settings import Masking
from alpkd_pipeline.scheduling.start import (
    KEPT,
    LAST_LINES,
    RunLog,
    last_outcome,
    remember,
    utc,
)

MOMENT = datetime(2026, 11, 22, 3, 0, 1, tzinfo=UTC)


def log(folder: Path, *, echo: bool = False) -> RunLog:
    return RunLog(folder, MOMENT, Masking(["canary"]), echo=echo)


def test_moments_are_in_utc() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert utc(there) == "2026-11-22T03:00:01Z"


def test_lines_are_written_as_they_come_and_masked(tmp_path: Path) -> None:
    made = log(tmp_path)
    made.heading("command  kedro canary")
    made.line("a canary\r\n")
    assert made.path.name == "2026-11-22T03-00-01Z.log"
    assert made.path.read_text() == "command  kedro ***\na ***\n"
    assert list(made.last) == ["a ***"]


def test_the_last_lines_are_those_of_the_command_without_empty_ones(tmp_path: Path) -> None:
    made = log(tmp_path)
    for number in range(LAST_LINES + 5):
        made.line(f"{number}\n")
        made.line("\n")
    made.line("10 %\r50 %\r100 %\n")
    made.heading("ours")
    assert next(iter(made.last)) == "6"
    assert list(made.last)[-1] == "100 %"
    assert len(made.last) == LAST_LINES


def test_two_in_one_second_have_files_of_their_own(tmp_path: Path) -> None:
    assert len({log(tmp_path).path for _ in range(3)}) == 3


def test_only_the_newest_logs_stay(tmp_path: Path) -> None:
    for day in range(1, KEPT + 9):
        (tmp_path / f"{utc(MOMENT + timedelta(days=day))}.log").touch()
    (tmp_path / "last.json").touch()
    log(tmp_path)
    left = sorted(path.name for path in tmp_path.glob("*.log"))
    assert len(left) == KEPT
    assert left[0].startswith("2026-12-01")
    assert (tmp_path / "last.json").exists()


def test_lines_are_printed_where_somebody_looks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path).line("unseen\n")
    log(tmp_path, echo=True).line("seen canary\n")
    assert capsys.readouterr().out == "seen ***\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_does_not_stop_the_command(tmp_path: Path) -> None:
    made = log(tmp_path)
    made._file = Path("/dev/full").open("w")  # noqa: SIM115
    made.line("lost\n")
    made.close()
    assert list(made.last) == ["lost"]


def test_a_line_that_comes_too_late_is_left_out(tmp_path: Path) -> None:
    """A process that the command left behind may write on."""
    made = log(tmp_path)
    made.line("in time")
    until_now = made.last
    made.close()
    made.line("late")
    assert made.path.read_text() == "in time\n"
    assert until_now == ["in time"]


def test_the_outcome_is_kept(tmp_path: Path) -> None:
    assert last_outcome(tmp_path) == {}
    remember(tmp_path, {"exit_code": 1})
    assert last_outcome(tmp_path) == {"exit_code": 1}
    (tmp_path / "last.json").write_text("{")
    assert last_outcome(tmp_path) == {}
    (tmp_path / "last.json").write_text("[]")
    assert last_outcome(tmp_path) == {}
