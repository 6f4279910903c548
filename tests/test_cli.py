"""The entry points: `kedro ...` and `python -m alpkd_pipeline`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from alpkd_pipeline import cli as module
from alpkd_pipeline.cli import COMMANDS, cli

PROJECT = Path(__file__).parents[1]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_under_its_name(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_commands_are_listed_with_what_they_do() -> None:
    done = CliRunner().invoke(cli, ["--help"])
    assert done.exit_code == 0
    listed = [line.split()[0] for line in done.output.splitlines() if line.startswith("  ")]
    assert set(COMMANDS) <= set(listed)


def test_an_unknown_command_is_refused() -> None:
    done = CliRunner().invoke(cli, ["ran"])
    assert done.exit_code == 2
    assert "ran" in done.output


def test_run_is_found_where_kedro_looks_for_it() -> None:
    from alpkd_pipeline.commands.run import run

    assert module.run is run
    with pytest.raises(AttributeError, match="nothing"):
        _ = module.nothing


def test_no_command_is_imported_before_it_is_called() -> None:
    program = (
        "import sys, alpkd_pipeline.cli as cli\n"
        "before = [name for name in sys.modules if name.startswith('alpkd_pipeline.commands')]\n"
        "print(before, sorted({'torch', 'mlflow', 'pandas'} & set(sys.modules)))\n"
    )
    done = python("-c", program)
    assert done.stdout.strip() == "[] []", done.stderr


def test_the_package_runs_like_kedro_run() -> None:
    done = python("-m", "alpkd_pipeline", "--help")
    assert done.returncode == 0, done.stderr
    assert "--force" in done.stdout
    assert "--pipelines" in done.stdout
    assert "--only-missing-outputs" not in done.stdout


def test_the_package_answers_mistakes_in_one_line() -> None:
    done = python("-m", "alpkd_pipeline", "--pipelines=distil")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "did you mean 'distill'" in line


def test_the_package_runs_where_the_project_is(tmp_path: Path) -> None:
    params = f"run.store={tmp_path},run.tracking=off,student.layers=99"
    done = python("-m", "alpkd_pipeline", "--pipelines=data_prep", f"--params={params}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "has 12 layers" in line
