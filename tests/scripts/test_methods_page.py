import importlib.util
from pathlib import Path

import pytest

from alpkd_pipeline.distillation.method_table import METHODS

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "methods_page", PROJECT / "scripts" / "methods_page.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script):
    written = (PROJECT / "docs" / "methods.md").read_text("utf-8")
    assert written == script.page(), "run: python scripts/methods_page.py"


def test_every_method_option_and_loss_is_on_it(script):
    page = script.page()
    for row in METHODS.values():
        assert f"| `{row.name}` |" in page
        assert all(f"| `{option}` |" in page for option in row.options)
    for folder in ("losses", "methods"):
        for path in (script.PACKAGE / folder).glob("*.py"):
            assert (f"### {folder}/{path.name}" in page) == (path.stem != "__init__")


def test_buckets_are_written_as_ranges(script):
    assert "| `po` | partial overlap of 1 | 1-3, 2-5, 4-7, 6-9, 8-11, 10-12 |" in script.page()
