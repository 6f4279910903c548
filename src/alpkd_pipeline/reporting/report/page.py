"""From a store's evidence to one HTML file that asks for nothing and needs no script."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.plots.canvas import defaults
from alpkd_pipeline.reporting.plots.marks import SHAPES, mark_of
from alpkd_pipeline.reporting.report.blocks import Section
from alpkd_pipeline.reporting.report.effort import budget_section, cost_section
from alpkd_pipeline.reporting.report.elsewhere import published_section
from alpkd_pipeline.reporting.report.layers_section import attention_section, geometry_section
from alpkd_pipeline.reporting.report.main_tables import main_tables
from alpkd_pipeline.reporting.report.pictures import curve_section, seed_section
from alpkd_pipeline.reporting.report.runs_section import runs_section
from alpkd_pipeline.reporting.report.size_section import size_section
from alpkd_pipeline.reporting.report.sources import Sources
from alpkd_pipeline.reporting.report.summary import summary
from alpkd_pipeline.reporting.report.verdict_section import verdict_section
from alpkd_pipeline.reporting.report.words import listed

HERE = Path(__file__).parent
TITLE = "Comparison of students"

_DASHES = {"-": "none", "--": "5 2.5", ":": "1.5 2.5", "-.": "5 2 1.5 2"}

_SECTIONS: tuple[Callable[[Sources], Section | None], ...] = (
    main_tables,
    verdict_section,
    seed_section,
    curve_section,
    size_section,
    attention_section,
    geometry_section,
    published_section,
    cost_section,
    budget_section,
    runs_section,
)
"""What follows the summary where there is something to compare, in the page's order."""


def report_html(sources: Sources) -> str:
    """The page as text; the same evidence gives the same text.

    Args:
        sources: the evidence of a store.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Names of tasks and paths may hold anything.
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2").render(
        title=TITLE,
        lead=_lead(sources),
        sections=sections(sources),
        css=(HERE / "page.css").read_text("utf-8").strip(),
        script=(HERE / "page.js").read_text("utf-8").strip(),
        mark_of=mark_of,
        shapes=SHAPES,
        dashes=_DASHES,
    )


def sections(sources: Sources) -> list[Section]:
    """The sections that have something to say."""
    found = [summary(sources)]
    if not sources.cells.empty:
        with defaults():
            found += [section for make in _SECTIONS if (section := make(sources)) is not None]
    return found


def _lead(sources: Sources) -> str:
    if sources.cells.empty:
        return "No students yet."
    return (
        f"{plural(len(sources.cells), 'student')} on {listed(sources.tasks)}:"
        f" {plural(len(sources.methods), 'method')}, {plural(len(sources.depths), 'depth')}."
    )
