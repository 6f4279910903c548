from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PROJECT

import alpkd_pipeline
from alpkd_pipeline.errors import UserError, user_error
from alpkd_pipeline.scheduling.start import (
    KEPT,
    LAST,
    STILL_RUNNING,
    last_words,
    log_folder,
    start,
)
from alpkd_pipeline.store.manifest import read_object

CANARY = "canary-4711"

STARTER = """
import sys
from pathlib import Path
from alpkd_pipeline.scheduling.start import start
sys.exit(start(Path(sys.argv[1]), "weekly", sys.argv[2:]))
"""


def last(project: Path) -> dict[str, Any]:
    return read_object(log_folder(project, "weekly") / LAST)


def logged(project: Path) -> str:
    return (project / last(project)["log"]).read_text()


def starter(project: Path, *command: str) -> subprocess.Popen[str]:
    """A start in a process of its own, without the environment of this one, as cron does.

    But with the package that is tested here, whichever one is installed.
    """
    return subprocess.Popen(
        # A command has settings.py silence this.
        [sys.executable, "-Wignore:register_new_resolver", "-c", STARTER, str(project), *command],
        env={"PYTHONPATH": str(Path(alpkd_pipeline.__file__).parents[1])},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_waiting(project: Path) -> int:
    """Until the command is in full swing; gives its process id."""
    for _ in range(500):
        if (log := last(project).get("log")) and (
            found := re.search(r"^waiting (\d+)$", (project / log).read_text(), re.MULTILINE)
        ):
            return int(found[1])
        time.sleep(0.02)
    pytest.fail("the command never began")


def test_a_good_run_is_logged_and_says_nothing(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start(project, "weekly", ["say", "one", "two words"]) == 0
    assert capfd.readouterr() == ("", "")
    found = last(project)
    since = datetime.now(UTC) - datetime.fromisoformat(found["started"])
    assert timedelta() < since < timedelta(minutes=1)
    assert found["log"].endswith(f"/{found['started'].replace(':', '-')}.log")
    assert found["command"] == "kedro say one 'two words'"
    assert (found["exit_code"], found["verdict"]) == (0, "two words")
    assert found["last_lines"] == ["one", "two words"]
    text = logged(project)
    assert text.startswith("command  kedro say one 'two words'\nproject  ")
    assert f"started  {found['started']}\n" in text
    assert "\none\ntwo words\n" in text
    assert f"result   exit code 0 after {found['seconds']} s\n" in text


def test_a_failure_passes_its_code_on_and_is_told_to_cron(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start(project, "weekly", ["fail", "3"]) == 3
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert re.fullmatch(
        r"weekly on \S+: kedro fail 3 ended with exit code 3 after .* s: moved by 0\.1"
        r" \(logs/.*\.log\)",
        line,
    )
    assert line == last(project)["text"]
    assert last(project)["last_lines"] == ["first line", "moved by 0.1"]


def test_a_command_that_is_none_is_a_failure(project: Path) -> None:
    (project / "kedro.py").write_text("import nothing_of_this_name")
    assert start(project, "weekly", ["say"]) == 1
    assert "nothing_of_this_name" in last(project)["verdict"]


def test_with_somebody_looking_the_output_is_shown(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert start(project, "weekly", ["say", "hello"], echo=True) == 0
    assert "\nhello\n" in capfd.readouterr().out


def test_the_hook_is_called_for_failures(project: Path) -> None:
    (project / "conf/local/schedule.yml").write_text("notify: {command: cat > told.json}")
    assert start(project, "weekly", ["say", "fine"]) == 0
    assert not (project / "told.json").exists()
    assert start(project, "weekly", ["fail", "1"]) == 1
    assert '"verdict": "moved by 0.1"' in (project / "told.json").read_text()
    assert "notify   told by notify.command\n" in logged(project)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_a_webhook_is_posted_to_as_the_page_says(project: Path, serve: Any) -> None:
    """Slack and others show the report's `text`; the address is on no command line."""
    server, page = serve(503, 200), (PROJECT / "docs" / "schedules.md").read_text()
    (text,) = re.findall(
        r"^```yaml\n(notify:\n(?:(?!```).*\n)*?.*curl(?:(?!```).*\n)*)", page, re.M
    )
    (project / "conf/local/schedule.yml").write_text(text)
    (project / "conf/local/webhook.curl").write_text(f'url = "{server.address}/{CANARY}"\n')
    assert start(project, "weekly", ["fail", "1"]) == 1
    _, (path, kind, body) = server.came
    assert (path, kind) == (f"/{CANARY}", "application/json")
    assert {key: body[key] for key in ("project", "name", "command", "exit_code", "verdict")} == {
        "project": str(project),
        "name": "weekly",
        "command": "kedro fail 1",
        "exit_code": 1,
        "verdict": "moved by 0.1",
    }
    assert ": kedro fail 1 ended with exit code 1 after " in body["text"]
    assert (project / body["log"]).is_file()
    assert CANARY not in str(body) + logged(project) + text
    assert "notify   told by notify.command\n" in logged(project)


def test_addresses_numbers_and_long_keys_are_written_nowhere(project: Path) -> None:
    (project / "conf/local/credentials.yml").write_text(
        f"hub: https://h.example.org/x?apikey={CANARY}\n"
        "db: {password: 47114711}\npem: |\n  BEGIN\n  long-line-1\n  END\n"
    )
    said = [f"https://h.example.org/x?apikey={CANARY}", "login 47114711 failed", "long-line-1"]
    assert start(project, "weekly", ["say", *said]) == 0
    written = logged(project) + str(last(project))
    assert not [each for each in (CANARY, "47114711", "long-line-1") if each in written]
    assert last(project)["last_lines"] == ["***", "login *** failed", "***"]


def test_a_hook_that_fails_changes_no_exit_code(project: Path) -> None:
    (project / "conf/local/schedule.yml").write_text("notify: {command: exit 9, when: always}")
    assert start(project, "weekly", ["say", "fine"]) == 0
    assert "notify   notify.command failed with exit code 9\n" in logged(project)


def test_secrets_reach_the_command_and_nothing_that_is_written(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    local = project / "conf" / "local"
    (local / "schedule.env").write_text(f"HF_TOKEN={CANARY}-env\nSHOWN=yes\n")
    (local / "credentials.yml").write_text(
        f"hub: https://127.0.0.1:9/{CANARY}-hook\nother: {{password: {CANARY}-pw}}\n"
    )
    (local / "schedule.yml").write_text(
        f"notify: {{command: 'test \"$HF_TOKEN\" = {CANARY}-env && touch right; echo {CANARY}'}}"
    )
    (project / "kedro.py").write_text(
        "import os, sys\n"
        "print(os.environ['HF_TOKEN'][::-1])\n"
        f"print(os.environ, 'https://127.0.0.1:9/{CANARY}-hook', '{CANARY}-pw')\n"
        "sys.exit(1)\n"
    )
    assert start(project, "weekly", ["--params=x=" + CANARY + "-pw"], echo=True) == 1
    assert f"{CANARY}-env"[::-1] in logged(project)  # it was there
    assert "'SHOWN': 'yes'" in logged(project)
    assert "with     HF_TOKEN, SHOWN of conf/local/schedule.env" in logged(project)
    assert "notify   told by notify.command" in logged(project)
    assert (project / "right").exists()
    written = [path for path in (project / "logs").rglob("*") if path.is_file()]
    assert len(written) >= 2
    for path in written:
        assert CANARY not in path.read_text()
    assert CANARY not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("file", "text"), [("schedule.env", "canary"), ("credentials.yml", "[canary")]
)
def test_settings_that_are_wrong_stop_it_and_are_remembered(
    file: str, text: str, project: Path
) -> None:
    (project / "conf/local" / file).write_text(text)
    with pytest.raises(UserError, match=file.split(".")[0]):
        start(project, "weekly", ["say", "x"])
    assert last(project)["exit_code"] == 1
    assert file in last(project)["verdict"]
    assert "canary" not in str(last(project))
    assert list(log_folder(project, "weekly").glob("*.log")) == []
    (project / "conf/local" / file).unlink()
    assert start(project, "weekly", ["say", "x"]) == 0  # the lock is free again


def test_wrong_variables_are_told_too(project: Path) -> None:
    (project / "conf/local/schedule.env").write_text("canary")
    (project / "conf/local/schedule.yml").write_text("notify: {command: cat > told.json}")
    with pytest.raises(UserError):
        start(project, "weekly", ["say", "x"])
    assert "line 1: write NAME=value" in (project / "told.json").read_text()


def test_a_name_that_is_none_is_refused(project: Path) -> None:
    with pytest.raises(UserError, match="schedule name"):
        start(project, "../x", ["say"])


def test_a_place_that_cannot_be_written_is_named(project: Path) -> None:
    (project / "logs").write_text("a file")
    with pytest.raises(OSError, match="Not a directory") as refused:
        start(project, "weekly", ["say", "x"])
    said = f"{log_folder(project, 'weekly')} cannot be used: Not a directory; choose another place"
    assert str(user_error(refused.value)).startswith(said)


def test_a_report_that_cannot_be_kept_changes_no_exit_code(project: Path) -> None:
    log_folder(project, "weekly").mkdir(parents=True)
    (log_folder(project, "weekly") / LAST).mkdir()
    assert start(project, "weekly", ["fail", "3"]) == 3


def test_old_logs_go(project: Path) -> None:
    folder = log_folder(project, "weekly")
    folder.mkdir(parents=True)
    for number in range(KEPT + 3):
        (folder / f"2020-01-01T00-00-{number:02}Z.log").touch()
    start(project, "weekly", ["say", "x"])
    left = sorted(path.name for path in folder.glob("*.log"))
    assert len(left) == KEPT
    assert left[0] == "2020-01-01T00-00-04Z.log"
    assert "\nx\n" in logged(project)


# With real processes -----------------------------------------------------------------------------


def test_a_second_start_leaves_the_first_alone(project: Path) -> None:
    first = starter(project, "wait", str(project / "go"))
    wait_until_waiting(project)
    assert last(project)["exit_code"] is None
    assert " has not ended, or was killed (logs/" in last_words(log_folder(project, "weekly"))
    second = starter(project, "say", "x")
    _, said = second.communicate(timeout=30)
    assert second.returncode == STILL_RUNNING == 75
    assert said == f"weekly is still running since {last(project)['started']}: not started again\n"
    (project / "go").touch()
    assert first.communicate(timeout=30) == ("", "")
    assert first.returncode == 0
    assert len(list(log_folder(project, "weekly").glob("*.log"))) == 1
    third = starter(project, "say", "x")
    third.communicate(timeout=30)
    assert third.returncode == 0


def test_another_name_is_not_held_up(project: Path) -> None:
    first = starter(project, "wait", str(project / "go"))
    wait_until_waiting(project)
    assert start(project, "daily", ["say", "x"]) == 0
    (project / "go").touch()
    first.communicate(timeout=30)


def test_sigterm_reaches_the_command_which_ends_in_order(project: Path) -> None:
    process = starter(project, "wait", str(project / "never"))
    child = wait_until_waiting(project)
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "exit code 143" in said
    assert last(project)["exit_code"] == 143
    assert "\nsaved\n" in logged(project)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_command_whose_starter_was_killed_keeps_the_next_one_away(project: Path) -> None:
    process = starter(project, "wait", str(project / "go"))
    child = wait_until_waiting(project)
    process.kill()
    process.communicate()
    try:
        assert start(project, "weekly", ["say", "x"]) == STILL_RUNNING
    finally:
        os.kill(child, signal.SIGKILL)
    for _ in range(100):
        if start(project, "weekly", ["say", "x"]) == 0:
            break
        time.sleep(0.05)
    assert last(project)["verdict"] == "x"
