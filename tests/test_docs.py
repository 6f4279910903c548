"""The files that pages of documentation name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conftest import PROJECT

PAGES = sorted(path for path in PROJECT.glob("docs/*.md") if path.name != "log.md")
PACKAGE = PROJECT / "src" / "alpkd_pipeline"
ROOTS = (PROJECT, PACKAGE, PACKAGE / "distillation", PACKAGE / "reporting", PROJECT / "tests")
EXAMPLES = {"my_metric/my_metric.py"}


@pytest.mark.parametrize("page", [PROJECT / "README.md", *PAGES], ids=lambda path: path.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_/]+\.py)(?:::\w+)?`", page.read_text("utf-8")))
    missing = {name for name in named if not any((root / name).is_file() for root in ROOTS)}
    assert missing - EXAMPLES == set()
