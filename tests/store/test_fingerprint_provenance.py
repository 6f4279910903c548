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

from alpkd_pipeline.store.fingerprint import INSTRUCTIONS, LIBRARIES, provenance

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
    for folder in ("src", "conf", "docs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


@needs_git
def test_a_clean_tree(repository: Path) -> None:
    found = provenance(repository)
    assert found["git_commit"] == git(repository, "rev-parse", "HEAD")
    assert len(found["git_commit"]) == 40
    assert found["git_dirty"] is False


@needs_git
@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("src/file", True),
        ("conf/file", True),
        ("src/new.py", True),
        ("conf/new/parameters.yml", True),
        ("constraints.txt", True),
        ("docs/file", False),
        ("docs/new.md", False),
        ("notes.txt", False),
    ],
)
def test_changes_count_where_they_change_what_runs(
    repository: Path, name: str, dirty: bool
) -> None:
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text("2\n")
    assert provenance(repository)["git_dirty"] is dirty


@needs_git
def test_a_deleted_file_is_a_change(repository: Path) -> None:
    (repository / "src" / "file").unlink()
    assert provenance(repository)["git_dirty"] is True


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


def test_the_processor_is_known_by_its_widest_instructions(tmp_path: Path) -> None:
    assert provenance(tmp_path)["instructions"] in {*INSTRUCTIONS, platform.machine()}
