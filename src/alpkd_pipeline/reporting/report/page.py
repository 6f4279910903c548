"""From a store's evidence to one HTML file that asks for nothing and needs no script."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.plots.canvas import SHAPES, defaults, mark_of
from alpkd_pipeline.reporting.report.blocks import Block, Cell, Facts, Section, text
from alpkd_pipeline.reporting.report.elsewhere import (
    budget_section,
    cost_section,
    published_section,
)
from alpkd_pipeline.reporting.report.layers_section import (
    attention_section,
    geometry_section,
    size_section,
)
from alpkd_pipeline.reporting.report.main_tables import main_tables
from alpkd_pipeline.reporting.report.pictures import curve_section, runs_section, seed_section
from alpkd_pipeline.reporting.report.sources import Sources
from alpkd_pipeline.reporting.report.verdict_section import verdict_section
from alpkd_pipeline.reporting.report.words import depth, listed, seeds_text
from alpkd_pipeline.reporting.statistics.paired import ENOUGH_SEEDS

OPTIMISTIC = (
    "The best epoch of each student was chosen on the very dev rows whose score is shown, as the"
    " papers do. All scores are therefore optimistic, those of every method alike."
)


def summary(sources: Sources) -> Section:
    """Terms and facts, then the warnings that belong to every number below."""
    cells = sources.cells
    if cells.empty:
        nothing = "No student has been trained and scored yet: there is nothing to compare."
        return Section("compared", "What was compared", [text(nothing), _facts(_others(sources))])
    rows = [
        ("Tasks", listed(_task_names(sources))),
        ("Methods", listed(sources.methods)),
        ("Students", listed(_depths(sources))),
        ("Student seeds", seeds_text(int(seed) for seed in cells["seed"].unique())),
        ("Teachers", _teachers(sources)),
        ("Best epoch chosen on", listed(sorted(cells["selection"].dropna().unique()))),
        ("Runs", plural(len(cells), "student")),
        *_others(sources),
        *_history(sources),
    ]
    return Section("compared", "What was compared", [_facts(rows), *_warnings(sources)])


def _facts(rows: Iterable[tuple[str, str]]) -> Facts:
    return Facts([(name, (Cell(said),)) for name, said in rows])


def _task_names(sources: Sources) -> list[str]:
    metric = sources.cells.drop_duplicates("task").set_index("task")["metric"]
    return [f"{task} ({metric[task]})" for task in sources.tasks]


def _depths(sources: Sources) -> list[str]:
    return [depth(layers, sources.teacher_layers(layers)) for layers in sources.depths]


def _teachers(sources: Sources) -> str:
    models = {str(record.run["params"]["teacher"].get("model")) for record in _students(sources)}
    seeds = sources.cells["teacher_seed"].dropna().unique()
    if not len(seeds):
        return listed(sorted(models))
    plural_s = "seed" if len(seeds) == 1 else "seeds"
    return f"{listed(sorted(models))}, {plural_s} {seeds_text(int(s) for s in seeds)}"


def _students(sources: Sources) -> list[Any]:
    return [sources.evidence.students[key] for key in sources.cells["key"]]


def _others(sources: Sources) -> list[tuple[str, str]]:
    """What was asked for and what was left out."""
    rows = []
    sweep = sources.evidence.sweep
    if sweep is not None:
        missing = len(sweep["cells"]) - len(sources.cells)
        rest = (
            f"; {plural(missing, 'cell')} of it not finished or not scored" if missing > 0 else ""
        )
        rows.append(("Only the sweep", f"{sweep['id']}{rest}"))
    others = sources.evidence.left_out
    if others:
        counted = listed(plural(count, name) for name, count in others.items())
        rows.append(("Left out", f"{counted}: counted here and shown nowhere"))
    return rows


def _history(sources: Sources) -> list[tuple[str, str]]:
    students = _students(sources)
    commits = sorted({_commit(record.run.get("provenance") or {}) for record in students})
    times = sorted((record.path / "manifest.json").stat().st_mtime for record in students)
    first, last = (
        datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d") for t in (times[0], times[-1])
    )
    return [
        ("Commits", listed(commits)),
        ("Finished", first if first == last else f"{first} to {last}"),
    ]


def _commit(provenance: Any) -> str:
    commit = str(provenance.get("git_commit") or "unknown")[:8]
    return f"{commit} with changes" if provenance.get("git_dirty") else commit


def _warnings(sources: Sources) -> list[Block]:
    cells, blocks = sources.cells, []
    if (cells["selection"] == "dev").any():
        blocks.append(text(OPTIMISTIC, "warning"))
    few = sum(arm["n"] < ENOUGH_SEEDS for arm in sources.arms)
    if few:
        blocks.append(
            text(
                f"{few} of {plural(len(sources.arms), 'mean')} rest on fewer than {ENOUGH_SEEDS}"
                " seeds: nothing can be said about their differences.",
                "warning",
            )
        )
    if (cells["tuned"] == "dev").any():
        said = "Some students run with numbers that were searched for on dev: they are optimistic."
        blocks.append(text(said, "warning"))
    return list(blocks)


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
