"""What is recorded about code: with git, without it, and with changes that nobody committed."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from alpkd_pipeline.runs.provenance import LIBRARIES, provenance

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture(autouse=True)
def _asked_afresh() -> Iterator[None]:
    provenance.cache_clear()
    yield
    provenance.cache_clear()


def git(folder: Path, *command: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *command], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


@needs_git
def test_a_clean_tree(repository: Path) -> None:
    found = provenance(repository)
    assert found["git_commit"] == git(repository, "rev-parse", "HEAD")
    assert len(found["git_commit"]) == 40
    assert found["git_dirty"] is False


@needs_git
def test_a_changed_file(repository: Path) -> None:
    (repository / "code.py").write_text("x = 2\n")
    assert provenance(repository)["git_dirty"] is True


@needs_git
def test_files_that_git_does_not_know_are_no_change(repository: Path) -> None:
    (repository / "notes.txt").write_text("results lie here too\n")
    assert provenance(repository)["git_dirty"] is False


@needs_git
def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    found = provenance(tmp_path)
    assert (found["git_commit"], found["git_dirty"]) == (None, False)


def test_no_repository(tmp_path: Path) -> None:
    found = provenance(tmp_path)
    assert (found["git_commit"], found["git_dirty"]) == (None, None)


def test_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = provenance(tmp_path)
    assert (found["git_commit"], found["git_dirty"]) == (None, None)


def test_the_lock_file_is_known_by_its_hash(tmp_path: Path) -> None:
    assert provenance(tmp_path)["lock"] is None
    other = tmp_path / "other"
    other.mkdir()
    (other / "constraints.txt").write_bytes(b"torch==2.13.0\n")
    assert provenance(other)["lock"] == hashlib.sha256(b"torch==2.13.0\n").hexdigest()


def test_python_and_libraries(tmp_path: Path) -> None:
    found = provenance(tmp_path)
    assert found["python"] == platform.python_version()
    assert set(found["libraries"]) == set(LIBRARIES)
    assert found["libraries"]["kedro"] == version("kedro")
    assert "missing" not in found["libraries"].values()
