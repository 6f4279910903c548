"""What pages of documentation name and link to is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import PROJECT

from alpkd_pipeline.distillation.method_table import METHODS

PAGES = sorted(path for path in PROJECT.glob("docs/*.md") if path.name != "log.md")
PACKAGE = PROJECT / "src" / "alpkd_pipeline"
ROOTS = (PROJECT, PACKAGE, PACKAGE / "distillation", PACKAGE / "reporting", PROJECT / "tests")
EXAMPLES = {"my_metric/my_metric.py"}


@pytest.mark.parametrize("page", [PROJECT / "README.md", *PAGES], ids=lambda path: path.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`([a-z_]+/[a-z_/]+\.py)(?:::\w+)?`", page.read_text("utf-8")))
    missing = {name for name in named if not any((root / name).is_file() for root in ROOTS)}
    assert missing - EXAMPLES == set()


ALL = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", PROJECT / "SECURITY.md"]
ALL += [*PROJECT.glob("docs/*.md"), PROJECT / "benchmarks" / "README.md"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", h)) for h in heads)
    return {head.strip().lower().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("page", ALL, ids=lambda path: path.name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_readme_is_read_in_five_minutes() -> None:
    text = re.sub(r"```.*?```", "", (PROJECT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    assert len(text.split()) <= 1700


def test_readme_counts_the_methods() -> None:
    text = (PROJECT / "README.md").read_text("utf-8")
    assert f"one of {len(METHODS) - 1} other methods" in text
    assert f"| methods of distillation | {len(METHODS)} |" in text


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_reads_offline(tmp_path: Path) -> None:
    words = ["--quiet", "--fail-on-warning", "--keep-going", "-b", "html", "-c", "docs/site", "."]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(tmp_path / "site")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = [page.read_text("utf-8") for page in (tmp_path / "site").rglob("*.html")]
    assert len(pages) > 40
    fetched = re.compile(r"""<(?:script|link|img)[^>]*(?:src|href)=["']https?:""")
    assert [page[:200] for page in pages if fetched.search(page)] == []
    assert "soft_loss" in (tmp_path / "site/docs/site/api.html").read_text("utf-8")
