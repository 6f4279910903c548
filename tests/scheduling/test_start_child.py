from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alpkd_pipeline.scheduling.start import run_child


def run(program: str, folder: Path, **environment: str) -> tuple[int, list[str]]:
    lines: list[str] = []
    words = [sys.executable, "-c", program]
    return run_child(words, lines.append, cwd=folder, env=environment), lines


def test_lines_of_both_streams_and_the_exit_code(tmp_path: Path) -> None:
    program = "import sys, os; print(os.getcwd(), flush=True); print('x', file=sys.stderr); exit(3)"
    assert run(program, tmp_path) == (3, [f"{tmp_path}\n", "x\n"])


def test_its_environment_is_what_was_given(tmp_path: Path) -> None:
    program = "import os; print(os.environ['A'], 'PYTEST_CURRENT_TEST' in os.environ)"
    assert run(program, tmp_path, A="1") == (0, ["1 False\n"])


def test_bytes_that_are_no_text_are_shown_somehow(tmp_path: Path) -> None:
    assert run(r"import sys; sys.stdout.buffer.write(b'\xff.')", tmp_path) == (0, ["\ufffd."])


def test_a_death_by_signal_gives_the_code_of_shells(tmp_path: Path) -> None:
    assert run("import os; os.kill(os.getpid(), 9)", tmp_path)[0] == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on_once(number: int, tmp_path: Path) -> None:
    program = f"""
import signal, sys, time
came = []
signal.signal({int(number)}, lambda n, _: came.append(n))
print("ready", flush=True)
while not came:
    time.sleep(0.01)
time.sleep(0.2)
print(came)
"""
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if line == "ready\n":
            threading.Thread(target=os.kill, args=(os.getpid(), number)).start()

    assert run_child([sys.executable, "-c", program], tell) == 0
    assert lines == ["ready\n", f"[{int(number)}]\n"]


def test_a_signal_before_the_command_is_there_is_passed_on_too() -> None:
    """It comes while the process is made, out of a hook of Popen's that runs in the child."""
    parent = os.getpid()

    def early() -> None:
        os.kill(parent, signal.SIGTERM)
        time.sleep(0.2)

    code = run_child(["sleep", "20"], print, preexec_fn=early)
    assert code == 128 + signal.SIGTERM


def test_signals_mean_afterwards_what_they_meant_before(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run("", tmp_path)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_process_that_was_left_behind_does_not_hold_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alpkd_pipeline.scheduling.start.LAST_WORDS_SECONDS", 0.2)
    program = (
        "import subprocess; print(subprocess.Popen(['sleep', '20'], start_new_session=True).pid)"
    )
    began = time.monotonic()
    code, (left,) = run(program, tmp_path, PATH=os.environ["PATH"])
    assert code == 0
    assert time.monotonic() - began < 10
    os.kill(int(left), signal.SIGKILL)


def test_an_inherited_descriptor_stays_open() -> None:
    reading, writing = os.pipe()
    try:
        program = f"import os; os.write({writing}, b'x')"
        assert run_child([sys.executable, "-c", program], print, pass_fds=[writing]) == 0
        assert os.read(reading, 1) == b"x"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(FileNotFoundError):
        run_child([str(tmp_path / "none")], print)
    assert signal.getsignal(signal.SIGTERM) == before
    assert subprocess.run(["true"]).returncode == 0
