from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.scheduling.conftest import program

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.entry import (
    crontab_block,
    run_crontab,
    schedules,
    start_words,
    with_block,
)

PROJECT = Path("/some/where")
OTHERS = "MAILTO=me\n# mine\n*/5 * * * * date '+\\%F' >> /tmp/x\n\n"


def block(when: str = "@daily", name: str = "weekly", project: Path = PROJECT) -> str:
    start = ["/env/bin/python", "-m", "kedro", "schedule", "--start", name, "--", "rerun"]
    return crontab_block(project, name, start, when)


def test_the_block_is_one_line_between_marks() -> None:
    start = ["/usr/bin/env", "HF_HOME=/h f", "/env/bin/python", "-m", "kedro"]
    assert crontab_block(PROJECT, "weekly", start, "0 3 * * 0").splitlines() == [
        "# >>> alpkd_pipeline schedule weekly of /some/where",
        "0 3 * * 0 cd /some/where && /usr/bin/env 'HF_HOME=/h f' /env/bin/python -m kedro",
        "# <<< alpkd_pipeline schedule weekly of /some/where",
    ]


def test_percent_signs_are_escaped_and_odd_words_reach_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cron does: takes the backslash before a percent sign away, then asks /bin/sh."""
    project = tmp_path / "50 % $HOME 'quoted'"
    project.mkdir()
    python = project / "python"
    program(python, '#!/bin/sh\npwd; echo "$HF_HOME"; for w in "$@"; do echo "$w"; done\n')
    monkeypatch.setattr("sys.executable", str(python))
    monkeypatch.setenv("HF_HOME", "/h %")
    odd = ("run", "--params=a=5%,b='x y'", "$(id)", "a;b", 'c"d')
    made = crontab_block(project, "w", start_words(project, "w", odd), "0 3 * * 0")
    line = made.splitlines()[1].split(maxsplit=5)[5]
    assert "%" not in line.replace(r"\%", "")
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace(r"\%", "%")], env={}, capture_output=True, text=True
    )
    said = done.stdout.splitlines()
    assert said[:2] == [str(project), "/h %"]
    assert said[2:] == ["-m", "kedro", "schedule", "--start", "w", "--", *odd]


def test_what_others_wrote_stays_as_it_was() -> None:
    first = with_block(OTHERS, PROJECT, "weekly", block("0 3 * * 0"))
    assert first.startswith(OTHERS)
    assert with_block(first, PROJECT, "weekly", "") == OTHERS
    second = with_block(first + "# after\n", PROJECT, "weekly", block("0 4 * * 0"))
    assert second.endswith("# after\n")
    (line,) = schedules(second, PROJECT).values()
    assert line.startswith("0 4 * * 0 cd /some/where && ")
    assert line.endswith(" -m kedro schedule --start weekly -- rerun")
    assert with_block(second, PROJECT, "weekly", "") == f"{OTHERS}# after\n"


def test_a_last_line_without_an_end_gets_one() -> None:
    assert with_block("# mine", PROJECT, "weekly", block()) == f"# mine\n{block()}"


def test_other_names_and_other_projects_are_left_alone() -> None:
    elsewhere = Path("/some/where/else")
    crontab = block() + block(name="weekly-2") + block(project=elsewhere)
    rest = with_block(crontab, PROJECT, "weekly", "")
    assert [*schedules(rest, PROJECT)] == ["weekly-2"]
    assert [*schedules(rest, elsewhere)] == ["weekly"]


def test_a_mark_that_was_left_alone_swallows_nothing() -> None:
    alone = block().splitlines()[0] + "\n0 0 * * * mine\n"
    assert schedules(alone, PROJECT) == {}
    assert with_block(alone + block(), PROJECT, "weekly", "") == alone


@pytest.mark.parametrize("name", ["weekly", "[a-z]*", ".*"])
def test_what_is_not_there_is_not_taken_out(name: str) -> None:
    others = f"# mine\n{block(name='daily')}"
    assert with_block(others, PROJECT, name, "") == others


def test_a_line_that_people_changed_is_read_as_it_is_now() -> None:
    begin, line, end = block("0 3 * * 0").splitlines()
    later = line.replace("0 3 * * 0", "15  4 1 * *")
    assert schedules(f"{begin}\n{later}\n{end}\n", PROJECT) == {"weekly": later}
    assert schedules(f"{begin}\n#{line}\n{end}\n", PROJECT) == {"weekly": f"#{line}"}
    assert schedules(f"{begin}\n{end}\n", PROJECT) == {"weekly": ""}


# The program -------------------------------------------------------------------------------------


def test_written_and_read_and_removed_again(table: Path) -> None:
    assert run_crontab("-l") == ""
    run_crontab("-", OTHERS)
    assert run_crontab("-l") == OTHERS
    run_crontab("-", "")
    assert run_crontab("-l") == table.read_text() == ""


def test_bytes_that_are_no_text_survive(table: Path) -> None:
    table.write_bytes(b"# caf\xe9\r\n")
    run_crontab("-", with_block(run_crontab("-l"), PROJECT, "weekly", block()))
    assert table.read_bytes().startswith(b"# caf\xe9\r\n# >>> ")


def test_what_crontab_refuses_is_passed_on(table: Path) -> None:
    """Such as a line that is too long for it."""
    refusal = 'echo \'"-":2: command too long\' >&2; echo "errors, can\'t install" >&2; exit 1'
    program(table.with_name("programs") / "crontab", f"#!/bin/sh\n{refusal}\n")
    with pytest.raises(UserError) as refused:
        run_crontab("-", block())
    said = 'crontab - refuses: "-":2: command too long errors, can\'t install'
    assert str(refused.value) == said


def test_no_crontab_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="install cron, or use --on-calendar"):
        run_crontab("-l")
