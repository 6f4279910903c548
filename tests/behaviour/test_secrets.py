"""Secrets planted wherever users keep them, and everything that is written searched for them."""

from __future__ import annotations

import base64
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from tests.conftest import Kedro
from tests.projects import copied_project

pytestmark = pytest.mark.slow

USER, PASSWORD = "canary-user-5b1e", "canary/password+5b1e"
TINY = "task.train_rows=64,training.epochs=1,teacher.training.epochs=1,student.layers=2"

PLANTED = {
    "in an address": PASSWORD,
    "MLFLOW_TRACKING_USERNAME": "canary-name-77aa",
    "MLFLOW_TRACKING_PASSWORD": "canary-password-c01d",
    "MLFLOW_TRACKING_TOKEN": "canary-token-beef",
    "HF_TOKEN": "hf_canary_0ddba11",
    "conf/local/credentials.yml": "canary-credential-f00d",
}


class Watched:
    """A project with secrets in it, its commands, and what they have said."""

    def __init__(self, root: Path, kedro: Kedro, port: int) -> None:
        self.address = f"http://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        self.root = copied_project(root, tracking=self.address)
        local = {"server": {"token": PLANTED["conf/local/credentials.yml"]}}
        (root / "conf" / "local" / "credentials.yml").write_text(yaml.safe_dump(local))
        self._kedro = kedro
        self.said = ""

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        secret = {name: value for name, value in PLANTED.items() if name.isupper()}
        done = self._kedro(*arguments, env=secret, cwd=self.root)
        self.said += f"{done.stdout}\n{done.stderr}\n"
        return done

    def leaks(self) -> list[str]:
        """Where a secret stands that was written or said, and which."""
        found = [f"said: {name}" for name, form in forms() if form in self.said.encode()]
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and path.relative_to(self.root).parts[:2] != ("conf", "local"):
                content = path.read_bytes()
                place = path.relative_to(self.root)
                found += [f"{place}: {name}" for name, form in forms() if form in content]
        return found


def forms() -> Iterator[tuple[str, bytes]]:
    """Every secret as it is, as an address has it, and as a header of HTTP has it."""
    pairs = [
        (USER, PASSWORD),
        *[(PLANTED["MLFLOW_TRACKING_USERNAME"], p) for p in PLANTED.values()],
    ]
    for name, secret in PLANTED.items():
        yield name, secret.encode()
        yield name, quote(secret, safe="").encode()
    for user, secret in pairs:
        yield "as a header", base64.b64encode(f"{user}:{secret}".encode())


@pytest.fixture
def project(tmp_path: Path, kedro: Kedro) -> Iterator[Watched]:
    with socket.socket() as held:  # bound and not listening: every connection is refused
        held.bind(("127.0.0.1", 0))
        yield Watched(tmp_path / "project", kedro, held.getsockname()[1])


def test_no_secret_is_written_or_said(project: Watched) -> None:
    assert project("run", "--pipeline=distill", f"--params={TINY}").returncode == 0
    assert "cannot be reached" in project.said or "takes nothing" in project.said, project.said
    assert project("sync").returncode == 1
    assert project("sync", "--params=run.tracking=sqlite").returncode == 0
    assert (project.root / "mlflow.db").is_file()
    sweep = {
        "tasks": ["demo"],
        "methods": ["alp_kd"],
        "layers": [2],
        "seeds": [0],
        "measure": False,
    }
    (project.root / "conf" / "base" / "sweep.yml").write_text(yaml.safe_dump(sweep))
    given = f"--params={TINY.replace(',student.layers=2', '')},run.tracking={project.address}"
    assert project("sweep", given).returncode == 0
    assert list(project.root.glob("data/08_reporting/sweeps/*.json"))
    assert list(project.root.glob("data/08_reporting/comparison/*/report.html"))
    for wrong in ("run.trackin=", "run.tracking=x", "run.tracking=@", "seed=", "run.experiment=${"):
        assert project("run", f"--params={wrong}{project.address}").returncode != 0
    assert "Traceback" not in project.said
    assert project.leaks() == []


def test_the_search_finds_what_is_there(project: Watched) -> None:
    (project.root / "a.log").write_text(f"token {PLANTED['HF_TOKEN']}")
    header = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (project.root / "b.log").write_text(f"Authorization: Basic {header}")
    project.said = f"connecting to {project.address}"
    found = project.leaks()
    assert "a.log: HF_TOKEN" in found
    assert "b.log: as a header" in found
    assert "said: in an address" in found
