"""A copy of the project's settings, for commands that would otherwise write into the project."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml
from tests.conftest import PROJECT


def copied_project(root: Path, **run: str) -> Path:
    """A project folder with this project's conf/ and code, and a store of its own.

    Args:
        root: where it is made.
        run: values of the parameter block `run` besides its `store`, `<root>/data`.
    """
    (root / "src").mkdir(parents=True)
    shutil.copy(PROJECT / "pyproject.toml", root)
    shutil.copy(PROJECT / ".telemetry", root)
    shutil.copytree(PROJECT / "conf", root / "conf", ignore=shutil.ignore_patterns("local"))
    configure(root, **run)
    return root


def conf_alone(root: Path) -> Path:
    """A folder with this project's conf/ and nothing else, as beside the installed package."""
    shutil.copytree(PROJECT / "conf", root / "conf", ignore=shutil.ignore_patterns("local"))
    (root / "conf" / "local").mkdir()
    return root


def configure(root: Path, **run: str) -> None:
    """Replace the copy's conf/local."""
    local = {"run": {"store": str(root / "data"), **run}}
    (root / "conf" / "local").mkdir(exist_ok=True)
    (root / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump(local))
