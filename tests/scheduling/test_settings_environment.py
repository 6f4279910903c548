from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.scheduling.settings import (
    ENV_FILE,
    child_environment,
    read_env_file,
)


def write(project: Path, text: str) -> Path:
    (project / ENV_FILE).parent.mkdir(parents=True, exist_ok=True)
    (project / ENV_FILE).write_text(text)
    return project


def test_lines_are_names_and_values(tmp_path: Path) -> None:
    text = "# a comment\n\nA=1\nexport B='two words'\nC = \"x=y\" \nD=\nE=$A\nF=a #b\nG='\n"
    assert read_env_file(write(tmp_path, text)) == {
        "A": "1",
        "B": "two words",
        "C": "x=y",
        "D": "",
        "E": "$A",
        "F": "a #b",
        "G": "'",
    }


def test_no_file_no_variables(tmp_path: Path) -> None:
    assert read_env_file(tmp_path) == {}


@pytest.mark.parametrize("line", ["canary", "1A=canary", "A B=canary", "=canary"])
def test_a_wrong_line_is_named_by_its_number_and_not_shown(line: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        read_env_file(write(tmp_path, f"A=1\n{line}\n"))
    assert str(refused.value) == "conf/local/schedule.env, line 2: write NAME=value"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    write(tmp_path, "")
    (tmp_path / ENV_FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read: UnicodeDecodeError"):
        read_env_file(tmp_path)


def test_from_nothing_there_is_a_path() -> None:
    made = child_environment({}, {})
    assert made["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert "/bin" in made["PATH"].split(":")


def test_own_variables_win_over_those_of_the_scheduler() -> None:
    made = child_environment({"A": "1", "B": "1", "PATH": "/x"}, {"B": "2", "PATH": "/y"})
    assert (made["A"], made["B"]) == ("1", "2")
    assert made["PATH"].endswith(":/y")
