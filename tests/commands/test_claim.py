"""`kedro claim` as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result
from kedro.framework.project import configure_project
from tests.conftest import Kedro
from tests.projects import copied_project
from tests.reporting.claimed import METHODS, study, verified
from tests.reporting.conftest import Store

from alpkd_pipeline.commands.claim import claim

MADE = {"tasks": {"mrpc": ("accuracy", "f1")}, "methods": METHODS, "seeds": 3, "rows": 24}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose sweep has made all of its experiments but one."""
    configure_project("alpkd_pipeline")
    root = copied_project(tmp_path_factory.mktemp("claims") / "my project", tracking="off")
    study(root / "data", **MADE, missing=[("mrpc", "pkd", 4, 0)])
    return root


@pytest.fixture
def typed(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs the command in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(claim, list(words), obj=SimpleNamespace(project_path=project))

    return run


def test_a_claim_is_written_and_holds_where_only_python_is(typed, tmp_path: Path) -> None:
    done = typed("mine.zip")
    assert done.exit_code == 0, done.output
    (line,) = done.output.splitlines()
    assert line.startswith("claim: mine.zip (11 students, 1 planned experiment missing, ")
    assert line.endswith(" kB); unpack it and run `python -I verify.py`")
    ZipFile(tmp_path / "mine.zip").extractall(tmp_path / "there")
    assert verified(tmp_path / "there").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"mine.zip", "there"}
    again = typed("again.zip")
    assert again.exit_code == 0
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "mine.zip").read_bytes()


def test_what_is_asked_is_claimed(typed, tmp_path: Path) -> None:
    plan = "compare.only=method=kd|alp_kd,compare.margin.accuracy=3"
    assert typed("mine.zip", f"--params={plan}").exit_code == 0
    with ZipFile(tmp_path / "mine.zip") as file:
        said = file.read("numbers.tex").decode()
    assert "alp_kd/against/kd/verdict" in said
    assert "/pkd" not in said


PAPER = r"""\alpkd{mrpc/4/kd/mean} % \alpkd{commented/out}
5\,\% \alpkd{mrpc/4/kd/maen} and \alpkd{a/b}
"""


@pytest.mark.parametrize("with_file", [True, False])
def test_a_manuscript_s_numbers_without_a_run_are_named(
    typed, tmp_path: Path, with_file: bool
) -> None:
    (tmp_path / "paper.tex").write_text(PAPER)
    done = typed(*(["mine.zip"] if with_file else []), "--check", "paper.tex")
    assert done.exit_code == 1
    assert done.output.splitlines()[with_file:] == [
        "paper.tex:2: no run supports mrpc/4/kd/maen",
        "paper.tex:2: no run supports a/b",
        "2 of 3 numbers of paper.tex without a run",
    ]
    assert (tmp_path / "mine.zip").is_file() == with_file


def test_a_manuscript_that_is_supported(typed, tmp_path: Path) -> None:
    (tmp_path / "paper.tex").write_bytes(b"caf\xe9 \\alpkd{mrpc/4/kd/mean}")  # Latin-1
    done = typed("--check", "paper.tex")
    assert (done.exit_code, done.output) == (0, "0 of 1 number of paper.tex without a run\n")


def test_an_empty_name_is_named(typed, tmp_path: Path) -> None:
    (tmp_path / "paper.tex").write_text("\\alpkd{}")
    done = typed("--check", "paper.tex")
    assert done.exit_code == 1
    assert done.output.splitlines()[0] == "paper.tex:1: no run supports an empty \\alpkd{}"


@pytest.mark.parametrize("data", [b"", b"ALP-KD reaches 71.0.", b"\x89PNG\r\n\x1a\n\x00"])
def test_a_manuscript_without_macros_is_not_checked(typed, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "paper.tex").write_bytes(data)
    done = typed("mine.zip", "--check", "paper.tex")
    assert (done.exit_code, done.output) == (
        1,
        "Error: there is no \\alpkd{...} in paper.tex: --check reads the numbers that are written"
        " by these macros, as docs/claims.md says, and not those that are typed\n",
    )
    assert not (tmp_path / "mine.zip").exists()


def test_what_is_no_claim_is_not_replaced(typed, tmp_path: Path) -> None:
    mine = tmp_path / "mine.zip"
    mine.write_text("my data")
    done = typed("mine.zip")
    assert (done.exit_code, done.output) == (
        1,
        "Error: mine.zip is there and is no claim, so it is not replaced: remove it, or name"
        " another file\n",
    )
    assert mine.read_text() == "my data"
    with ZipFile(mine, "w") as file:
        file.writestr("paper.tex", "x")
    before = mine.read_bytes()
    assert typed("mine.zip").exit_code == 1
    assert mine.read_bytes() == before
    mine.unlink()
    assert typed("mine.zip").exit_code == 0
    claimed = mine.read_bytes()
    assert typed("mine.zip", "--params=compare.only=method=kd").exit_code == 0
    assert mine.read_bytes() != claimed


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ([], 2, "name a FILE to write, or a manuscript to --check"),
        (["mine"], 1, "'mine' is to be a zip: give it a name that ends with .zip"),
        (["mine.tar"], 1, "give it a name that ends with .zip"),
        (["gone/mine.zip"], 1, "there is no folder gone for mine.zip: make it, or name another"),
        (["paper.tex/mine.zip"], 1, "there is no folder paper.tex for mine.zip"),
        (["folder.zip"], 2, "is a directory"),
        (["--check", "gone.tex"], 2, "does not exist"),
        (["mine.zip", "--params=compare.claims=gone"], 1, "there is nothing at"),
        (["mine.zip", "--params=compare.claims=paper.tex"], 1, "cannot be read as a claim"),
        (["mine.zip", "--params=compare.sweep=other"], 1, "no sweep is called so"),
        (["mine.zip", "--params=compare.only=method=ckd"], 1, "is method=ckd; did you mean"),
        (["mine.zip", "--params=compare.claim=x"], 1, "unknown parameter 'compare.claim'"),
        (["mine.zip", "--params=run.store=nowhere"], 1, "there is no store"),
        (["--check", "paper.tex", "--params=run.store=nowhere"], 1, "there is no store"),
    ],
)
def test_a_mistake_is_one_line(
    typed, project: Path, tmp_path: Path, words: list[str], code: int, line: str
) -> None:
    (tmp_path / "paper.tex").write_text(r"\alpkd{mrpc/2/kd/mean}")
    (tmp_path / "folder.zip").mkdir()
    done = typed(*words)
    assert done.exit_code == code
    assert line in done.output
    assert done.output.count("\n") == 1 or code == 2
    assert not (tmp_path / "mine.zip").exists()
    assert not [*tmp_path.glob("**/nowhere"), *project.glob("nowhere")]


def test_the_store_and_its_other_commands(project: Path, tmp_path: Path, kedro: Kedro) -> None:
    """In processes of their own: a claim, a comparison that reads it, and what looks at stores."""
    made = kedro("claim", str(tmp_path / "theirs.zip"), cwd=project)
    assert made.returncode == 0, made.stderr
    (tmp_path / "data").mkdir()
    given = f"run.store={tmp_path / 'data'},compare.claims={tmp_path / 'theirs.zip'}"
    again = kedro("claim", str(tmp_path / "again.zip"), f"--params={given}", cwd=project)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "theirs.zip").read_bytes()
    compared = kedro("run", "--pipeline=compare", f"--params={given}", cwd=project)
    assert compared.returncode == 0, compared.stderr
    (page,) = tmp_path.glob("data/08_reporting/comparison/*/comparison.md")
    assert "alp_kd" in page.read_text()
    store = f"--params=run.store={tmp_path / 'data'}"
    looked = kedro("verify", store, cwd=project)
    assert looked.returncode == 0, looked.stdout
    pruned = kedro("prune", "--yes", store, cwd=project)
    assert pruned.returncode == 0, pruned.stderr
    assert (tmp_path / "data" / ".cache" / "claims").is_dir()
    assert kedro("prune", "--yes", "--caches", store, cwd=project).returncode == 0
    assert not (tmp_path / "data" / ".cache" / "claims").exists()


def test_an_empty_store_has_nothing_to_claim(project: Path, tmp_path: Path, kedro: Kedro) -> None:
    Store(tmp_path / "data").teacher()
    given = f"--params=run.store={tmp_path / 'data'}"
    done = kedro("claim", str(tmp_path / "mine.zip"), given, cwd=project)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert (
        line == "Error: there is no scored student to make a claim about: `kedro sweep` makes some"
    )
    assert not [*tmp_path.glob("*.zip")]


def test_help_names_both_uses() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alpkd_pipeline", "claim", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "verify.py" in done.stdout
    assert "--check" in done.stdout
