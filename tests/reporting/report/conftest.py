"""A page of a study with everything, and the means to make others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.reporting.conftest import Store
from tests.reporting.pages import Element, read_page
from tests.reporting.studies import (
    search,
    signals,
    study,
    sweep,
    with_attention,
    with_event_log,
    with_geometry,
)

from alpkd_pipeline.reporting.collect import Query, gather
from alpkd_pipeline.reporting.report.page import report_html, report_sections
from alpkd_pipeline.reporting.sources import Sources


def html_of(root: Path, sweep: str | None = None, **query: Any) -> str:
    """The page of a store as text."""
    sources = Sources(gather(root, Query(sweep, **query)))
    return report_html(sources, report_sections(sources))


def page_of(root: Path, sweep: str | None = None, **query: Any) -> Element:
    """The page of a store."""
    return read_page(html_of(root, sweep, **query))


def section(page: Element, name: str) -> Element:
    """A section by its id."""
    (found,) = [s for s in page.all("section") if s.get("id") == name]
    return found


def sections(page: Element) -> list[str | None]:
    """The ids of all sections in their order."""
    return [s.get("id") for s in page.all("section")]


def full_study(store: Any) -> None:
    """2 tasks x 3 methods x 3 seeds with event logs, attention, geometry, latency, a search."""
    store.teacher(accuracy=0.95, p50_ms=12.0)
    made = study(store)
    signals(store.root)
    for folder in made:
        with_event_log(folder)
        if folder.name.startswith("alp_kd"):
            with_attention(folder)
        if "-s0-" in folder.name:
            with_geometry(store, folder)
            store.latency(folder, 4.0)
    store.student(7, 0.99, run_type="trial")
    search(store.root, "tune-1", {"training.lr": 0.0004}, selection="dev")
    sweep(store.root, "grid-1", [])


@pytest.fixture(scope="session")
def full_html(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the study with everything, as text."""
    store = Store(tmp_path_factory.mktemp("full") / "data")
    full_study(store)
    return html_of(store.root)


@pytest.fixture(scope="session")
def full_page(full_html: str) -> Element:
    """The same, read."""
    return read_page(full_html)
