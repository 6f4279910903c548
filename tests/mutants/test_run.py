"""The runner says who is killed, who survives and who cannot be tried; src stays as it is."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.conftest import PROJECT
from tests.mutants.edits import Mutant

KILLED = Mutant("it subtracts", "add", "a + b", "a - b", ("test_add.py",), "sheep")

SCRIPT = """
import sys
from pathlib import Path
from tests.mutants.edits import Mutant
from tests.mutants.run import run
{before}
project = Path({project!r})
sys.exit(run([Mutant(**fields) for fields in {mutants!r}], project / "src", project, {workers}))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # only to be faster
    (tmp_path / "src" / "sheep").mkdir(parents=True)
    (tmp_path / "src" / "sheep" / "__init__.py").touch()
    (tmp_path / "src" / "sheep" / "sums.py").write_text("def add(a, b):\n    return a + b\n")
    (tmp_path / "test_add.py").write_text(
        "from sheep.sums import add\n\n\ndef test_sum():\n    assert add(2, 2) == 4\n"
    )
    (tmp_path / "test_wrong.py").write_text("def test_wrong():\n    assert False\n")
    return tmp_path


def tried(project: Path, *mutants: Mutant, workers: int = 1, before: str = "") -> tuple[int, str]:
    """Exit code and output, in a process that a fork can leave alone."""
    script = SCRIPT.format(
        before=before, project=str(project), mutants=[*map(asdict, mutants)], workers=workers
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True
    )
    assert not done.stderr
    return done.returncode, done.stdout


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def test_all_killed(project: Path) -> None:
    """Edits of one length within a second too, which Python's compiled files cannot tell apart."""
    before = digest(project / "src")
    four = replace(KILLED, means="it multiplies by four", new="a * 4")
    code, out = tried(project, KILLED, four, replace(four, means="by two", new="a * 2.5"))
    assert code == 0
    assert out.count(" killed  ") == 3
    assert "sheep: it subtracts (add)  test_add.py::test_sum" in out
    assert "3 of 3 killed" in out
    assert digest(project / "src") == before


def test_a_survivor_and_one_that_cannot_be_tried(project: Path) -> None:
    same = replace(KILLED, means="the sum comes the other way round", new="b + a")
    broken = replace(KILLED, means="it is gone", old="def add", new="def sub")
    code, out = tried(project, KILLED, same, broken, workers=2)
    assert code == 1
    assert "1 of 3 killed" in out
    assert out.count("SURVIVED") == out.count("BROKEN") == 2


def test_killers_have_to_pass_without_any(project: Path) -> None:
    code, out = tried(project, replace(KILLED, killers=("test_add.py", "test_wrong.py")))
    assert code == 1
    assert "do not pass without any mutant" in out


def test_a_package_that_is_not_the_copy_proves_nothing(project: Path) -> None:
    code, out = tried(
        project, KILLED, before="import tests.conftest as sheep; sys.modules['sheep'] = sheep"
    )
    assert code == 1
    assert "sheep is not imported from the copy" in out
