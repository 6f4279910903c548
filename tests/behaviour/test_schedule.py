"""Schedules as schedulers run them: by /bin/sh with next to no environment, and by a real cron."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from kedro.framework.cli.cli import KedroCLI
from tests.conftest import PROJECT, Kedro
from tests.projects import copied_project

from alpkd_pipeline.cli import COMMANDS
from alpkd_pipeline.scheduling.entry import next_start

PAGE = PROJECT / "docs" / "schedules.md"
CANARY = "canary-4711"

GOOD = ("info",)
BAD = ("run", "--pipelines=nothing")

# A crontab, jobs and a lock file for cron that only this process and its children see.
PRIVATE = """
set -e
mount -t tmpfs -o mode=1730 tmpfs /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
mount -t tmpfs tmpfs /etc/cron.d
mount -t tmpfs tmpfs /run
mount --bind /dev/null /etc/crontab
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copied_project(tmp_path / "my 5% project", tracking="off")


def last(project: Path, name: str) -> dict[str, Any]:
    return json.loads((project / "logs" / "schedule" / name / "last.json").read_text())


def by_cron(line: str) -> subprocess.CompletedProcess[str]:
    """What cron does with a line: takes the times and the escapes away, and asks /bin/sh."""
    command = line.split(maxsplit=5)[5].replace(r"\%", "%")
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def privately(script: str) -> str:
    """Run a script as root with a crontab of its own.

    Skips where there is no cron or no private view of the file system.
    """
    unshare = shutil.which("unshare")
    if unshare is None or shutil.which("crontab") is None or shutil.which("cron") is None:
        pytest.skip("needs cron and unshare")
    if subprocess.run([unshare, "-m", "sh", "-c", PRIVATE], capture_output=True).returncode:
        pytest.skip("needs root and a private view of the file system")
    done = subprocess.run(
        [unshare, "-m", "sh", "-c", PRIVATE + script], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def schedule(*arguments: str) -> str:
    return shlex.join([sys.executable, "-m", "kedro", "schedule", *arguments])


def test_the_printed_line_does_its_work_from_an_empty_environment(
    project: Path, kedro: Kedro
) -> None:
    local = project / "conf" / "local"
    (local / "schedule.env").write_text(f"HF_TOKEN={CANARY}\n")
    (local / "schedule.yml").write_text("notify: {command: cat > told.json}")
    (local / "credentials.yml").write_text(f"other: {CANARY}")
    made = kedro("schedule", "--cron=0 3 * * 0", "--name=good", "--", *GOOD, cwd=project)
    assert made.returncode == 0, made.stderr
    line = made.stdout.splitlines()[1]
    bad = line.replace("--start good", "--start bad").replace(shlex.join(GOOD), shlex.join(BAD))
    for name, scheduled, code in (("good", line, 0), ("bad", bad, 1)):
        done = by_cron(scheduled)
        found = last(project, name)
        log = (project / found["log"]).read_text()
        assert done.returncode == found["exit_code"] == code, log
        assert f"result   exit code {code} after" in log
        assert done.stdout == ""
        # cron sends mail about every word.
        assert (done.stderr == "") == (code == 0)
    assert "unknown pipeline 'nothing'" in last(project, "bad")["verdict"]
    assert "unknown pipeline 'nothing'" in done.stderr
    assert json.loads((project / "told.json").read_text())["exit_code"] == 1
    written = [project / "told.json"]
    written += [path for path in (project / "logs").rglob("*") if path.is_file()]
    assert len(written) >= 5
    for path in written:
        assert CANARY not in path.read_text()


def test_a_real_crontab_keeps_what_was_in_it(project: Path) -> None:
    said = privately(
        f"""
        printf '# mine\\n@daily date +\\\\%%F\\n' | crontab -
        crontab -l > {project.parent}/before
        cd {shlex.quote(str(project))}
        {schedule("--cron", "0 3 * * 0", "--name", "weekly", "--install", "--", *GOOD)}
        {schedule("--list")}
        crontab -l > {project.parent}/between
        {schedule("--remove", "weekly")}
        crontab -l > {project.parent}/after
        """
    )
    before, between, after = (
        (project.parent / name).read_text() for name in ("before", "between", "after")
    )
    assert before == after == "# mine\n@daily date +\\%F\n"
    assert between.startswith(before)
    assert "weekly: 0 3 * * 0 cd " in said
    assert "weekly is removed" in said


def test_every_expression_that_is_taken_is_taken_by_crontab_too(project: Path) -> None:
    taken = ["*/59 * * * *", "0 0-23/5 1,15 jan-MAR 0", "0 0 * * 7", "5 4 * * sun,2-3", "@weekly"]
    assert all(next_start(expression, datetime.now()) for expression in taken)
    lines = "".join(f"{expression} date\n" for expression in taken)
    (project / "table").write_text(lines)
    assert privately(f"crontab {shlex.quote(str(project / 'table'))}; crontab -l") == lines


@pytest.mark.slow
def test_a_real_cron_runs_it(project: Path) -> None:
    every_minute = ("--cron", "* * * * *", "--install", "--name")
    privately(
        f"""
        cd {shlex.quote(str(project))}
        {schedule(*every_minute, "good", "--", *GOOD)}
        {schedule(*every_minute, "bad", "--", *BAD)}
        cron -f &
        for second in $(seq 100); do
            sleep 1
            [ "$(grep -l 'result ' logs/schedule/*/*.log 2>/dev/null | wc -l)" -lt 2 ] || break
        done
        kill $!
        """
    )
    for name, code in (("good", 0), ("bad", 1)):
        assert last(project, name)["exit_code"] == code
        assert f"exit code {code}" in (project / last(project, name)["log"]).read_text()


# The page ----------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def refused(line: str) -> str:
    """What Kedro has against a command line; empty if nothing."""
    _, name, *arguments = shlex.split(line, comments=True)
    cli = KedroCLI(PROJECT)
    command = cli.get_command(click.Context(cli), name)
    if command is None:
        return f"no command {name}"
    try:
        command.make_context(name, arguments)
    except click.ClickException as error:
        return error.format_message()
    return ""


def test_the_examples_are_commands_that_exist() -> None:
    lines = [line for line in blocks("bash")[0].splitlines() if line]
    assert len(lines) > 5
    assert {line: refused(line) for line in lines if refused(line)} == {}


def test_the_workflow_is_whole_and_its_commands_exist() -> None:
    (text,) = [block for block in blocks("yaml") if "runs-on" in block]
    workflow = yaml.safe_load(text)
    triggers = workflow[True]  # YAML 1.1 reads the word `on` so
    assert "workflow_dispatch" in triggers
    for trigger in triggers["schedule"]:
        next_start(trigger["cron"], datetime.now())
    steps = workflow["jobs"]["rerun"]["steps"]
    assert {"uses", "run"} >= {key for step in steps for key in step} - {"name", "with", "if"}
    runs = [step["run"] for step in steps if "run" in step]
    kedro = [run.removeprefix(".venv/bin/") for run in runs if "kedro" in run]
    made = [run.split()[1] for run in runs if run.startswith("make ")]
    assert len(kedro) == 2
    if "rerun" not in COMMANDS:
        kedro = [run for run in kedro if " rerun" not in run]
    assert {run: refused(run) for run in kedro if refused(run)} == {}
    targets = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert set(made) <= set(targets)
    assert "8_reporting/reruns" in steps[-1]["with"]["path"]
