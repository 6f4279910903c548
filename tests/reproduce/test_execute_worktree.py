from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.reproduce.conftest import write_run
from tests.store.test_fingerprint_provenance import git

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reproduce.execute import checked_out, recorded_commit, same_source
from alpkd_pipeline.store.fingerprint import provenance

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project below the root of its repository."""
    project = tmp_path / "repository" / "inside"
    (project / "src").mkdir(parents=True)
    (project / "pyproject.toml").touch()
    (project / "src" / "file").write_text("then\n")
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "first")
    return project


def made_from(tmp_path: Path, **provenance: Any):
    return write_run(tmp_path / "store", run={"provenance": provenance})


def test_the_tree_of_a_commit_comes_and_goes(project: Path, tmp_path: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")
    (project / "src" / "file").write_text("now\n")
    with checked_out(project, commit, tmp_path / "tree") as root:
        assert (root / "src" / "file").read_text() == "then\n"
        assert (root / "conf" / "local").is_dir()
    assert not (tmp_path / "tree").exists()
    assert git(project, "worktree", "list").count("\n") == 0
    assert (project / "src" / "file").read_text() == "now\n"


def test_what_a_killed_process_left_is_no_obstacle(project: Path, tmp_path: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")
    tree = tmp_path / "tree"
    git(project, "worktree", "add", "--detach", str(tree), commit)
    shutil.rmtree(tree)
    with checked_out(project, commit, tree) as root:
        assert (root / "src" / "file").is_file()


def test_a_commit_from_before_the_project(project: Path, tmp_path: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")
    git(project, "rm", "--quiet", "pyproject.toml")
    git(project, "commit", "--quiet", "-m", "second")
    later = git(project, "rev-parse", "HEAD")
    with pytest.raises(UserError, match="does not hold this project"):
        checked_out(project, later, tmp_path / "tree").__enter__()
    assert not (tmp_path / "tree").exists()
    assert commit != later


def test_the_commit_of_a_run(project: Path, tmp_path: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")
    original = made_from(tmp_path, git_commit=commit, git_dirty=False)
    assert recorded_commit(original, project) == commit


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ({"git_commit": None, "git_dirty": None}, "recorded no commit"),
        ({"git_commit": "0" * 40, "git_dirty": True}, "changes that nobody committed"),
        ({"git_commit": "0" * 40, "git_dirty": None}, "changes that nobody committed"),
        ({"git_commit": "0" * 40, "git_dirty": False}, "does not know its commit 00000000"),
    ],
)
def test_code_that_cannot_be_had_again_is_one_line(
    project: Path, tmp_path: Path, recorded: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        recorded_commit(made_from(tmp_path, **recorded), project)
    assert "--here" in str(caught.value)


def test_the_same_source_is_a_clean_tree_at_the_same_commit(project: Path, tmp_path: Path) -> None:
    commit = git(project, "rev-parse", "HEAD")
    original = made_from(tmp_path, git_commit=commit, git_dirty=False)
    assert same_source(original, project)
    (project / "src" / "file").write_text("now\n")
    provenance.cache_clear()
    assert not same_source(original, project)
    provenance.cache_clear()
