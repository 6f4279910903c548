"""The page of a store: what was compared, then every section that has something to say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from alpkd_pipeline.coordinates import said
from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.plots.canvas import style
from alpkd_pipeline.reporting.render import (
    Block,
    Section,
    Terms,
    Text,
    page_html,
    page_markdown,
)
from alpkd_pipeline.reporting.report import pictures, sections
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.summary import ENOUGH_SEEDS
from alpkd_pipeline.reporting.tables.table import listed, seeds_text
from alpkd_pipeline.tasks.task import UNLABELLED

TITLE = "Comparison of students"

OPTIMISTIC = (
    "The best epoch of each student was chosen on the very dev rows whose score is shown, as the"
    " papers do. All scores are therefore optimistic, those of every method alike."
)


def summary(sources: Sources) -> Iterator[Block]:
    """Terms and facts, then the warnings that belong to every number below."""
    experiments = sources.experiments
    if experiments.empty:
        yield "No student has been trained and scored yet: there is nothing to compare."
        yield Terms(list(_others(sources)))
        return
    metric = dict(zip(experiments["task"], experiments["metric"], strict=True))
    seeds = {int(seed) for seed in experiments["teacher_seed"].dropna()}
    of_seeds = f", {'seed' if len(seeds) == 1 else 'seeds'} {seeds_text(seeds)}" if seeds else ""
    rows = [
        ("Tasks", listed(f"{task} ({metric[task]})" for task in sources.tasks)),
        ("Methods", listed(sources.methods)),
        ("Students", listed(map(sources.depth, sources.depths))),
        ("Student seeds", seeds_text(map(int, experiments["seed"]))),
        ("Teachers", f"{listed(sources.teacher_models)}{of_seeds}"),
        ("Best epoch chosen on", listed(sorted(experiments["selection"].dropna().unique()))),
        ("Runs", plural(len(experiments), "student")),
    ]
    yield Terms([*rows, *_others(sources), *_history(sources)])
    if (experiments["selection"] == "dev").any():
        yield Text(OPTIMISTIC, "warning")
    if few := sum(arm["n"] < ENOUGH_SEEDS for arm in sources.arms):
        yield Text(
            f"{few} of {plural(len(sources.arms), 'mean')} rest on fewer than {ENOUGH_SEEDS} seeds:"
            " nothing can be said about their differences.",
            "warning",
        )
    yield from _unlabelled(sources)
    if (experiments["tuned"] == "dev").any():
        yield Text(
            "Some students run with numbers that were searched for on dev: they are optimistic.",
            "warning",
        )


def _unlabelled(sources: Sources) -> Iterator[Block]:
    """Of each task with train rows without a label, who learned from them, in how many steps."""
    learned: dict[tuple[str, bool, int], set[str]] = defaultdict(set)
    columns = (sources.experiments[name] for name in ("key", "task", "method"))
    for key, task, method in zip(*columns, strict=True):
        metrics = sources.evidence.students[key].metrics
        if lacking := metrics.get(UNLABELLED):
            learned[task, bool(lacking["rows"]), int(metrics["steps"])].add(str(method))
    for task in dict.fromkeys(task for task, *_ in learned):
        parts = [
            f"{listed(sorted(methods))} {'with' if used else 'without'} them in {steps:,} steps"
            for (other, used, steps), methods in sorted(learned.items(), reverse=True)
            if other == task
        ]
        text = f"Some train rows of {task} have no label: trained were {'; '.join(parts)}."
        more = f"{text} What differs between these is of the rows and steps, too."
        yield Text(more, "warning") if parts[1:] else text


def _others(sources: Sources) -> Iterator[tuple[str, str]]:
    """What was asked for and what was left out."""
    sweep, others = sources.evidence.sweep, sources.evidence.left_out
    if sweep is not None:
        missing = len(sweep["cells"]) - len(sources.experiments)
        rest = f"; {plural(missing, 'experiment')} of it not finished or not scored"
        yield "Only the sweep", f"{sweep['id']}{rest if missing > 0 else ''}"
    if sources.evidence.only:
        yield "Only", said(sources.evidence.only)
    if looks := sources.evidence.plan.looks:
        yield "Planned looks", f"at {listed(map(str, looks))} seeds"
    claimed = sum(sources.of_claim(key) for key in sources.experiments["key"])
    if claimed:
        yield (
            "Of claims",
            f"{plural(claimed, 'student')}; claims hold no weights, signals, losses of steps and"
            " states of layers, so what is made of these shows the others alone",
        )
    if others:
        counted = listed(plural(count, name) for name, count in others.items())
        yield "Left out", f"{counted}: counted here and shown nowhere"


def _history(sources: Sources) -> Iterator[tuple[str, str]]:
    records = [sources.evidence.students[key] for key in sources.experiments["key"]]
    commits = {
        str(record.provenance.get("git_commit") or "unknown")[:8]
        + (" with changes" if record.provenance.get("git_dirty") else "")
        for record in records
    }
    yield "Commits", listed(sorted(commits))
    # The files of a claim are as old as its unpacking.
    own = [record for record in records if not sources.of_claim(record.key)]
    times = [(record.path / "manifest.json").stat().st_mtime for record in own]
    if times:
        days = [f"{datetime.fromtimestamp(t, UTC):%Y-%m-%d}" for t in (min(times), max(times))]
        yield "Finished", " to ".join(dict.fromkeys(days))


_SUMMARY = ("compared", "What was compared")
_SECTIONS: tuple[tuple[str, str, Callable[[Sources], Iterator[Block]]], ...] = (
    ("short", "In short", sections.in_short),
    (*_SUMMARY, summary),
    ("scores", "Scores", sections.scores),
    ("verdicts", "Verdicts", sections.verdicts),
    ("seeds", "Seeds", pictures.seeds),
    ("classes", "Classes", sections.classes),
    ("curves", "Learning curves", pictures.curves),
    ("size", "Score against size and speed", pictures.sizes),
    ("attention", "Weights of ALP-KD", pictures.attention),
    ("geometry", "Where the layers lie", pictures.geometry),
    ("published", "Published numbers", sections.published_numbers),
    ("cost", "What it cost", sections.cost),
    ("tuning", "Searches", sections.searches),
    ("settings", "Settings", sections.settings),
    ("runs", "The runs", sections.runs),
)
"""What links to a section, its heading and its blocks, in the page's order."""

BRIEF = ("short", "compared", "scores", "verdicts", "settings")  # those in Markdown, too


def report_sections(sources: Sources) -> list[Section]:
    """The sections that have something to say; the same evidence gives the same blocks."""
    if sources.experiments.empty:
        return [(*_SUMMARY, [*summary(sources)])]
    with style():
        made = [(name, title, [*make(sources)]) for name, title, make in _SECTIONS]
    return [section for section in made if section[-1]]


def report_html(sources: Sources, made: Sequence[Section]) -> str:
    """The sections as a page of their own."""
    lead = "No students yet."
    if not sources.experiments.empty:
        lead = (
            f"{plural(len(sources.experiments), 'student')} on {listed(sources.tasks)}:"
            f" {plural(len(sources.methods), 'method')}, {plural(len(sources.depths), 'depth')}."
        )
    return page_html(TITLE, lead, made)


def report_markdown(made: Sequence[Section]) -> str:
    """The result, its scores, verdicts and settings for a terminal or a repository."""
    return page_markdown(TITLE, [section for section in made if section[0] in BRIEF])
