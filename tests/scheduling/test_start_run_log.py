from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.scheduling.settings import masking
from alpkd_pipeline.scheduling.start import LAST_LINES, RunLog


def log(path: Path, *, echo: bool = False) -> RunLog:
    return RunLog(path, masking(["canary"]), echo=echo)


def test_lines_are_written_as_they_come_and_masked(tmp_path: Path) -> None:
    made = log(tmp_path / "log")
    made.write("command  kedro canary")
    made.line("a canary\r\n")
    assert (tmp_path / "log").read_text() == "command  kedro ***\na ***\n"
    assert list(made.last) == ["a ***"]


def test_the_last_lines_are_those_of_the_command_without_empty_ones(tmp_path: Path) -> None:
    made = log(tmp_path / "log")
    for number in range(LAST_LINES + 5):
        made.line(f"{number}\n")
        made.line("\n")
    made.line("10 %\r50 %\r100 %\n")
    made.write("ours")
    assert next(iter(made.last)) == "6"
    assert list(made.last)[-1] == "100 %"
    assert len(made.last) == LAST_LINES


def test_two_in_one_second_share_a_file(tmp_path: Path) -> None:
    log(tmp_path / "log").line("one")
    log(tmp_path / "log").line("two")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_lines_are_printed_where_somebody_looks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(tmp_path / "log").line("unseen\n")
    log(tmp_path / "log", echo=True).line("seen canary\n")
    assert capsys.readouterr().out == "seen ***\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_does_not_stop_the_command() -> None:
    made = log(Path("/dev/full"))
    made.line("lost\n")
    assert list(made.last) == ["lost"]
