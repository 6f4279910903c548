"""`kedro schedule`: what it prints, installs, lists and removes, and what it refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.startup import bootstrap_project
from tests.conftest import PROJECT, Kedro
from tests.projects import copied_project
from tests.scheduling.conftest import CRONTAB, program

from alpkd_pipeline.cli import COMMANDS
from alpkd_pipeline.commands.schedule import DEFAULT_COMMAND

WEEKLY = ("--cron", "0 3 * * 0", "--name", "weekly")
DISTILL = ("--", "run", "--pipeline=distill")


@pytest.fixture(scope="module")
def cli() -> click.Group:
    """Kedro with all its commands, as `kedro` itself makes it."""
    return KedroCLI(PROJECT)


class Scheduler:
    """`kedro schedule` in a project of its own, with a crontab of its own."""

    def __init__(self, root: Path, cli: click.Group) -> None:
        self.root, self.cli = copied_project(root / "project", tracking="off"), cli
        self.table = root / "crontab"

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        # What Kedro hands to commands of the project in this folder.
        metadata = bootstrap_project(PROJECT)._replace(project_path=self.root)
        done = CliRunner().invoke(self.cli.get_command(click.Context(self.cli), "schedule"),
                                  arguments, obj=metadata, parent=self._parent())  # fmt: skip
        assert done.exit_code == code, done.output
        return done

    def _parent(self) -> click.Context:
        return click.Context(self.cli, info_name="kedro")


@pytest.fixture
def scheduler(tmp_path: Path, cli: click.Group, monkeypatch: pytest.MonkeyPatch) -> Scheduler:
    programs = tmp_path / "programs"
    programs.mkdir()
    program(programs / "crontab", CRONTAB)
    for name, value in {
        "PATH": f"{programs}:/usr/bin:/bin",
        "TABLE": str(tmp_path / "crontab"),
        "OMP_NUM_THREADS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return Scheduler(tmp_path, cli)


# Printing ----------------------------------------------------------------------------------------


def test_a_crontab_line_is_printed_and_nothing_is_changed(scheduler: Scheduler) -> None:
    done = scheduler(*WEEKLY, *DISTILL)
    begin, line, end = done.stdout.splitlines()
    assert (begin[:5], end[:5]) == ("# >>>", "# <<<")
    assert line.startswith(f"0 3 * * 0 cd {scheduler.root} && ")
    assert line.endswith("-m kedro schedule --start weekly -- run --pipeline=distill")
    assert " && /usr/bin/env " in line
    assert " OMP_NUM_THREADS=1 " in line
    assert "local time" in done.stderr
    assert "--install" in done.stderr
    assert "next: Sun " in done.stderr
    assert not scheduler.table.exists()


def test_a_timer_and_a_service_are_printed_with_what_to_do(scheduler: Scheduler) -> None:
    done = scheduler("--on-calendar", "Sun 03:00", *DISTILL)
    assert done.stdout.count("# ~/.config/systemd/user/alpkd-run-") == 2
    assert "OnCalendar=Sun 03:00" in done.stdout
    assert f"WorkingDirectory={scheduler.root}" in done.stdout
    assert "systemctl --user enable --now alpkd-run-" in done.stderr
    assert "systemctl --user disable --now alpkd-run-" in done.stderr
    assert "systemd-analyze calendar 'Sun 03:00'" in done.stderr
    assert "loginctl enable-linger" in done.stderr


@pytest.mark.skipif("rerun" not in COMMANDS, reason="needs kedro rerun")
def test_by_default_the_latest_green_comparison_is_rerun(scheduler: Scheduler) -> None:
    line = scheduler("--cron", "@weekly").stdout.splitlines()[1]
    assert line.endswith(f"--start rerun -- {' '.join(DEFAULT_COMMAND)}")


def test_spaces_of_an_expression_do_not_matter(scheduler: Scheduler) -> None:
    line = scheduler("--cron", " 0 3\t*  * 0 ", *DISTILL).stdout.splitlines()[1]
    assert line.startswith("0 3 * * 0 cd ")


def test_the_command_needs_no_dashes_before_it(scheduler: Scheduler) -> None:
    done = scheduler("--cron", "@daily", "run", "--pipeline=distill")
    assert done.stdout.splitlines()[1].endswith("--start run -- run --pipeline=distill")


# Installing --------------------------------------------------------------------------------------


def test_a_line_is_installed_changed_listed_and_removed(scheduler: Scheduler) -> None:
    scheduler.table.write_text("# mine\n0 0 * * * date\n")
    done = scheduler(*WEEKLY, "--install", *DISTILL)
    assert done.output.startswith(
        "weekly is in the crontab: kedro run --pipeline=distill, next Sun"
    )
    scheduler("--cron", "@monthly", "--name", "weekly", "--install", *DISTILL)
    said = scheduler("--list").output
    assert said.startswith(f"weekly: @monthly cd {scheduler.root} && ")
    assert said.endswith(" --start weekly -- run --pipeline=distill\n  last: never\n")
    assert said.count("weekly:") == 1
    assert "weekly is removed" in scheduler("--remove", "weekly").output
    assert scheduler.table.read_text() == "# mine\n0 0 * * * date\n"
    assert "no schedules" in scheduler("--list").output


def test_what_is_printed_is_what_is_installed(scheduler: Scheduler) -> None:
    printed = scheduler(*WEEKLY, *DISTILL).stdout
    scheduler(*WEEKLY, "--install", *DISTILL)
    assert scheduler.table.read_text() == printed


def test_without_cron_what_ran_can_still_be_listed(
    scheduler: Scheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = scheduler.root / "logs" / "schedule" / "weekly"
    folder.mkdir(parents=True)
    (folder / "last.json").write_text('{"started": "then", "text": "kedro run ended"}')
    (tmp_path / "programs" / "crontab").unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    said = scheduler("--list").output
    assert said == "weekly: not in the crontab\n  last: then: kedro run ended\n"


# Mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one of --cron"),
        (("--cron", "@daily", "--list"), "give one of --cron"),
        (("--cron", "@daily", "--on-calendar", "daily"), "give one of --cron"),
        (("--list", "--install"), "--install goes with --cron"),
        (("--on-calendar", "daily", "--install", *DISTILL), "--install goes with --cron"),
        (("--list", "--name", "x"), "--name also with --on-calendar"),
        (("--list", "run"), "take no command (given: run)"),
        (("--cron",), "requires an argument"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: tuple[str, ...], said: str, scheduler: Scheduler
) -> None:
    assert said in scheduler(*arguments, code=2).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cron", "0 25 * * *", *DISTILL), "cron '0 25 * * *': bad hour; write"),
        ((*WEEKLY, "--", "rnu"), "unknown command 'rnu' to schedule; did you mean 'run'?"),
        ((*WEEKLY, "--", "schedule", "--list"), "unknown command 'schedule' to schedule"),
        ((*WEEKLY, "--", "rubbish"), "unknown command 'rubbish' to schedule (there are: "),
        ((*WEEKLY, "--", "rubbish"), ", prune, registry, rerun, run, "),
        ((*WEEKLY, "--", "run", "--pipelin=x"), "kedro run: No such option"),
        ((*WEEKLY, "--", "sweep", "--workers=0"), "kedro sweep: "),
        (("--cron", "@daily", "--name", "a/b", *DISTILL), "schedule name 'a/b'"),
        (("--remove", "monthly"), "there is no schedule 'monthly' of this project"),
        (("--remove", "../x"), "there is no schedule '../x' of this project"),
        (("--start", "../x", *DISTILL), "schedule name '../x'"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], said: str, scheduler: Scheduler) -> None:
    (line,) = scheduler(*arguments, code=1).output.splitlines()
    assert line.startswith("Error: ")
    assert said in line
    assert not scheduler.table.exists()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("schedule.yml", "notify: {when: never}"),
        ("credentials.yml", "[no, map"),
        ("schedule.env", "no variable"),
    ],
)
def test_settings_that_would_fail_at_night_are_refused_now(
    file: str, text: str, scheduler: Scheduler
) -> None:
    (scheduler.root / "conf" / "local" / file).write_text(text)
    (line,) = scheduler(*WEEKLY, "--install", *DISTILL, code=1).output.splitlines()
    assert file.split(".")[0] in line
    assert not scheduler.table.exists()


def test_who_asks_for_help_on_a_command_gets_it(scheduler: Scheduler) -> None:
    done = scheduler("--cron", "@daily", "--install", "--", "run", "--help")
    assert "Name of the pipeline to run" in done.stdout
    assert not scheduler.table.exists()


# The whole way -----------------------------------------------------------------------------------


def test_in_a_process_of_its_own(tmp_path: Path, kedro: Kedro) -> None:
    root = copied_project(tmp_path / "project", tracking="off")
    done: subprocess.CompletedProcess[str] = kedro(
        "schedule", "--cron", "@weekly", "--", "catalog", "list-patterns", cwd=root
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    refused = kedro("schedule", "--cron", "@weekyl", "--", "run", cwd=root)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("Error: cron '@weekyl': wrong number of fields; write minute, hour")
