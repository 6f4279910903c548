from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.scheduling.conftest import program

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.crontab import (
    LONGEST_COMMAND,
    crontab_block,
    read_crontab,
    schedules,
    with_block,
    write_crontab,
)
from alpkd_pipeline.scheduling.entry import Entry

PROJECT = Path("/some/where")
OTHERS = "MAILTO=me\n# mine\n*/5 * * * * date '+\\%F' >> /tmp/x\n\n"


def entry(name: str = "weekly", *command: str, **changes: object) -> Entry:
    given = {"project": PROJECT, "python": "/env/bin/python", "environment": {}, **changes}
    return Entry(name=name, command=command or ("rerun", "--latest-green"), **given)


def test_the_block_is_one_line_between_marks() -> None:
    block = crontab_block(entry(environment={"HF_HOME": "/h f"}), "0 3 * * 0")
    assert block.splitlines() == [
        "# >>> alpkd_pipeline schedule weekly of /some/where",
        "0 3 * * 0 cd /some/where && HF_HOME='/h f' /env/bin/python -m kedro schedule --start"
        " weekly -- rerun --latest-green",
        "# <<< alpkd_pipeline schedule weekly of /some/where",
    ]


def test_percent_signs_are_escaped_and_odd_words_reach_the_command(tmp_path: Path) -> None:
    """What cron does: takes the backslash before a percent sign away, then asks /bin/sh."""
    project = tmp_path / "50 % $HOME 'quoted'"
    project.mkdir()
    python = project / "python"
    program(python, '#!/bin/sh\npwd; echo "$HF_HOME"; for w in "$@"; do echo "$w"; done\n')
    odd = ("run", "--params=a=5%,b='x y'", "$(id)", "a;b", 'c"d')
    made = entry("w", *odd, project=project, python=str(python), environment={"HF_HOME": "/h %"})
    line = crontab_block(made, "0 3 * * 0").splitlines()[1].split(maxsplit=5)[5]
    assert "%" not in line.replace(r"\%", "")
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace(r"\%", "%")], env={}, capture_output=True, text=True
    )
    said = done.stdout.splitlines()
    assert said[:2] == [str(project), "/h %"]
    assert said[2:] == ["-m", "kedro", "schedule", "--start", "w", "--", *odd]


def test_a_line_that_cron_would_cut_is_refused() -> None:
    with pytest.raises(UserError, match=f"cron takes {LONGEST_COMMAND}"):
        crontab_block(entry("weekly", "run", "--params=" + "x" * 1000), "0 3 * * 0")


def test_what_others_wrote_stays_as_it_was() -> None:
    first = with_block(OTHERS, PROJECT, "weekly", crontab_block(entry(), "0 3 * * 0"))
    assert first.startswith(OTHERS)
    assert with_block(first, PROJECT, "weekly", "") == OTHERS
    later = crontab_block(entry(), "0 4 * * 0")
    second = with_block(first + "# after\n", PROJECT, "weekly", later)
    assert second.endswith("# after\n")
    (line,) = schedules(second, PROJECT).values()
    assert line.startswith("0 4 * * 0 cd /some/where && ")
    assert line.endswith(" -m kedro schedule --start weekly -- rerun --latest-green")
    assert with_block(second, PROJECT, "weekly", "") == f"{OTHERS}# after\n"


def test_a_last_line_without_an_end_gets_one() -> None:
    block = crontab_block(entry(), "@weekly")
    assert with_block("# mine", PROJECT, "weekly", block) == f"# mine\n{block}"


def test_other_names_and_other_projects_are_left_alone() -> None:
    crontab = ""
    made = [entry("weekly"), entry("weekly-2"), entry(project=Path("/some/where/else"))]
    for one in made:
        crontab = with_block(crontab, one.project, one.name, crontab_block(one, "@daily"))
    rest = with_block(crontab, PROJECT, "weekly", "")
    assert [*schedules(rest, PROJECT)] == ["weekly-2"]
    assert [*schedules(rest, Path("/some/where/else"))] == ["weekly"]


def test_a_mark_that_was_left_alone_swallows_nothing() -> None:
    block = crontab_block(entry(), "@daily")
    alone = block.splitlines()[0] + "\n0 0 * * * mine\n"
    assert schedules(alone, PROJECT) == {}
    assert with_block(alone + block, PROJECT, "weekly", "") == alone


def test_what_is_not_there_is_not_taken_out() -> None:
    assert with_block("# mine", PROJECT, "weekly", "") == "# mine"


def test_a_line_that_people_changed_is_read_as_it_is_now() -> None:
    block = crontab_block(entry(), "0 3 * * 0")
    begin, line, end = block.splitlines()
    later = line.replace("0 3 * * 0", "15  4 1 * *")
    assert schedules(f"{begin}\n{later}\n{end}\n", PROJECT) == {"weekly": later}
    assert schedules(f"{begin}\n#{line}\n{end}\n", PROJECT) == {"weekly": f"#{line}"}
    assert schedules(f"{begin}\n{end}\n", PROJECT) == {"weekly": ""}


# The program -------------------------------------------------------------------------------------


def test_written_and_read_and_removed_again(table: Path) -> None:
    assert read_crontab() == ""
    write_crontab("", OTHERS)
    assert read_crontab() == OTHERS
    write_crontab(OTHERS, "")
    assert not table.exists()


def test_bytes_that_are_no_text_survive(table: Path) -> None:
    table.write_bytes(b"# caf\xe9\n")
    before = read_crontab()
    block = crontab_block(entry(), "@daily")
    write_crontab(before, with_block(before, PROJECT, "weekly", block))
    assert table.read_bytes().startswith(b"# caf\xe9\n# >>> ")


def test_somebody_elses_change_is_not_overwritten(table: Path) -> None:
    before = read_crontab()
    table.write_text("# new\n")
    with pytest.raises(UserError, match="somebody else has just changed the crontab"):
        write_crontab(before, "# ours\n")
    assert table.read_text() == "# new\n"


def test_what_crontab_refuses_is_passed_on(table: Path) -> None:
    program(table.with_name("programs") / "crontab", "#!/bin/sh\necho not allowed >&2; exit 1\n")
    with pytest.raises(UserError, match=r"crontab -l refuses: not allowed"):
        read_crontab()


def test_no_crontab_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="install cron, or use --on-calendar"):
        read_crontab()
