"""The entry points: `kedro ...`, `alpkd ...` and `python -m alpkd_pipeline`."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.projects import conf_alone

from alpkd_pipeline import __main__ as script
from alpkd_pipeline import cli as module
from alpkd_pipeline.cli import COMMANDS, cli

PROJECT = Path(__file__).parents[1]


def python(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
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


# Where there is no project, but the package -------------------------------------------------------


def test_the_script_is_the_module() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    assert EntryPoint("alpkd", declared["alpkd"], "console_scripts").load() is script.main
    assert set(declared) == {"alpkd"}


def test_help_needs_nothing(tmp_path: Path) -> None:
    done = python("-m", "alpkd_pipeline", "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")]
    assert set(COMMANDS) <= set(listed)
    done = python("-m", "alpkd_pipeline", "run", "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--force" in done.stdout


@pytest.mark.parametrize("words", ["", "sweep --dry-run", "--pipelines=data_prep"])
def test_without_a_conf_one_line_says_what_to_do(words: str, tmp_path: Path) -> None:
    done = python("-m", "alpkd_pipeline", *words.split(), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: there is no conf/ in {tmp_path}: unpack conf-alpkd_pipeline.tar.gz here, which"
        " comes with the package, or go to a folder that has one\n"
    )
    assert not any(tmp_path.iterdir())


def test_commands_beside_a_conf_speak_of_the_script(tmp_path: Path) -> None:
    place = conf_alone(tmp_path)
    done = python("-m", "alpkd_pipeline", "verify", cwd=place)
    assert done.returncode == 1
    store = place / "data"
    assert (
        done.stderr == f"Error: there is no store {store}: `alpkd run` makes it, or set run.store\n"
    )


CALLED = """
from alpkd_pipeline.__main__ import main

words = ["--pipelines", "data_prep", "--params=task.train_rows=20,run.tracking=off"]
try:
    main(words)
except SystemExit as end:
    print("code", end.code)
print("made", *main(words, standalone_mode=False))
"""


def test_a_program_calls_it_as_kedro_s_packaged_projects_are_called(tmp_path: Path) -> None:
    done = python("-c", CALLED, cwd=conf_alone(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["code 0", "made encoded"]
    nothing = "nothing to do: all that was asked for is there"
    assert done.stderr.splitlines() == ["making splits", "making encoded", nothing]
    assert (tmp_path / "data" / "05_model_input").is_dir()


PROMPT = """
import sys
from alpkd_pipeline.__main__ import main

sys.ps1, sys.argv = ">>> ", ["kernel", "-f", "kernel.json"]
try:
    main()
except Exception as error:
    print(type(error).__name__, error)
"""


def test_at_a_prompt_it_raises_and_takes_no_words_of_the_prompt_s_own(tmp_path: Path) -> None:
    done = python("-c", PROMPT, cwd=tmp_path)
    assert done.stdout.startswith(f"ClickException there is no conf/ in {tmp_path}"), done.stderr
