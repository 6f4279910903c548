"""The page of a store: what was compared, then every section that has something to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.plots.canvas import defaults
from alpkd_pipeline.reporting.render.html import Facts, Section, Text, page_html
from alpkd_pipeline.reporting.report.pictures import (
    attention_section,
    curve_section,
    geometry_section,
    seed_section,
    size_section,
)
from alpkd_pipeline.reporting.report.sections import (
    class_section,
    cost_section,
    published_section,
    runs_section,
    score_section,
    search_section,
    settings_section,
    short_section,
    verdict_section,
)
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.paired import ENOUGH_SEEDS
from alpkd_pipeline.reporting.tables.table import listed, seeds_text

TITLE = "Comparison of students"

OPTIMISTIC = (
    "The best epoch of each student was chosen on the very dev rows whose score is shown, as the"
    " papers do. All scores are therefore optimistic, those of every method alike."
)


def summary(sources: Sources) -> Section:
    """Terms and facts, then the warnings that belong to every number below."""
    title, cells = "What was compared", sources.cells
    if cells.empty:
        nothing = "No student has been trained and scored yet: there is nothing to compare."
        return Section("compared", title, [nothing, Facts(_others(sources))])
    metric = dict(zip(cells["task"], cells["metric"], strict=True))
    rows = [
        ("Tasks", listed(f"{task} ({metric[task]})" for task in sources.tasks)),
        ("Methods", listed(sources.methods)),
        ("Students", listed(map(sources.depth, sources.depths))),
        ("Student seeds", seeds_text(map(int, cells["seed"]))),
        ("Teachers", _teachers(sources)),
        ("Best epoch chosen on", listed(sorted(cells["selection"].dropna().unique()))),
        ("Runs", plural(len(cells), "student")),
        *_others(sources),
        *_history(sources),
    ]
    warnings = [Text(said, "warning") for said in warnings_of(sources)]
    return Section("compared", title, [Facts(rows), *warnings])


def _teachers(sources: Sources) -> str:
    models = listed(sources.teacher_models)
    seeds = {int(seed) for seed in sources.cells["teacher_seed"].dropna()}
    if not seeds:
        return models
    return f"{models}, {'seed' if len(seeds) == 1 else 'seeds'} {seeds_text(seeds)}"


def _others(sources: Sources) -> list[tuple[str, str]]:
    """What was asked for and what was left out."""
    rows = []
    sweep, others = sources.evidence.sweep, sources.evidence.left_out
    if sweep is not None:
        missing = len(sweep["cells"]) - len(sources.cells)
        rest = f"; {plural(missing, 'cell')} of it not finished or not scored"
        rows.append(("Only the sweep", f"{sweep['id']}{rest if missing > 0 else ''}"))
    if others:
        counted = listed(plural(count, name) for name, count in others.items())
        rows.append(("Left out", f"{counted}: counted here and shown nowhere"))
    return rows


def _history(sources: Sources) -> list[tuple[str, str]]:
    records = [sources.evidence.students[key] for key in sources.cells["key"]]
    made = [record.run.get("provenance") or {} for record in records]
    commits = {
        str(code.get("git_commit") or "unknown")[:8]
        + (" with changes" if code.get("git_dirty") else "")
        for code in made
    }
    times = [(record.path / "manifest.json").stat().st_mtime for record in records]
    days = [f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d}" for t in (min(times), max(times))]
    return [("Commits", listed(sorted(commits))), ("Finished", " to ".join(dict.fromkeys(days)))]


def warnings_of(sources: Sources) -> Iterator[str]:
    """What belongs to every number, a sentence each."""
    cells = sources.cells
    if (cells["selection"] == "dev").any():
        yield OPTIMISTIC
    few = sum(arm["n"] < ENOUGH_SEEDS for arm in sources.arms)
    if few:
        yield (
            f"{few} of {plural(len(sources.arms), 'mean')} rest on fewer than {ENOUGH_SEEDS} seeds:"
            " nothing can be said about their differences."
        )
    if (cells["tuned"] == "dev").any():
        yield "Some students run with numbers that were searched for on dev: they are optimistic."


_SECTIONS: tuple[Callable[[Sources], Section | None], ...] = (
    short_section,
    summary,
    score_section,
    verdict_section,
    seed_section,
    class_section,
    curve_section,
    size_section,
    attention_section,
    geometry_section,
    published_section,
    cost_section,
    search_section,
    settings_section,
    runs_section,
)
"""The page's order."""


def report_html(sources: Sources) -> str:
    """The page as text; the same evidence gives the same text."""
    if sources.cells.empty:
        return page_html(TITLE, "No students yet.", [summary(sources)])
    with defaults():
        found = [section for make in _SECTIONS if (section := make(sources)) is not None]
    lead = (
        f"{plural(len(sources.cells), 'student')} on {listed(sources.tasks)}:"
        f" {plural(len(sources.methods), 'method')}, {plural(len(sources.depths), 'depth')}."
    )
    return page_html(TITLE, lead, found)
