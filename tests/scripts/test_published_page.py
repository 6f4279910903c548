import importlib.util
from pathlib import Path

import pytest

from alpkd_pipeline.reporting.tables.published import published

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "published_page", PROJECT / "scripts" / "published_page.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script):
    written = (PROJECT / "docs" / "published.md").read_text("utf-8")
    assert written == script.page(), "run: python scripts/published_page.py"


def test_every_task_and_source_is_on_it(script):
    page = script.page()
    for task in published()["task"].unique():
        assert f"### {task}: " in page
    for source in published()["source"].unique():
        assert source.partition(" (")[0] in page


def test_what_follows_is_said_with_its_numbers(script):
    said = script.page().partition("## How it was computed")[0]
    assert "0.7 points are 2 of 277 rows" in said
    assert "7,836 rows are needed" in said
    assert "rte 60.65, in the paper 72.1" in said
    assert "cola −7.2" in said
    assert "rte −5.3" in said
    table = [
        [experiment.strip() for experiment in line.split("|")[1:-1]] for line in said.splitlines()
    ]
    rows = [[int(experiment) for experiment in line[3:]] for line in table if line[:1] == ["rte"]]
    assert [sum(row[1:]) for row in rows] == [row[0] for row in rows] == [31]


def test_a_changed_number_changes_the_page(script, monkeypatch):
    before, found = script.page(), published()
    found.loc[(found["task"] == "rte") & (found["method"] == "universal_kd"), "score"] = 70.2
    monkeypatch.setattr(script, "published", lambda: found)
    assert script.page() != before
