"""The sections of the page that are tables with a word about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import plural, size
from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.plots.scores import forest
from alpkd_pipeline.reporting.render import ON_PAGE, Block, Details, Heading, Plate, Terms, Text
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.arms import Row
from alpkd_pipeline.reporting.statistics.verdict import BASELINES
from alpkd_pipeline.reporting.statistics.words import VERDICTS
from alpkd_pipeline.reporting.tables.confusion import confusion_tables
from alpkd_pipeline.reporting.tables.cost import cost_table, searches_table, total_cost
from alpkd_pipeline.reporting.tables.in_short import choices, result_table, to_take
from alpkd_pipeline.reporting.tables.published import (
    audit_table,
    of_papers,
    of_this_store,
    published,
)
from alpkd_pipeline.reporting.tables.runs import list_tables, settings_table
from alpkd_pipeline.reporting.tables.table import duration, listed
from alpkd_pipeline.reporting.tables.verdicts import (
    counts_table,
    first_verdicts_text,
    looks_text,
    questions_table,
    verdict_rows,
    verdict_table,
)

MOST_CHOICES = 8  # more than so many are folded


def in_short(sources: Sources) -> Iterator[Block]:
    """The result: first questions in words, what is best, what to take."""
    yield from first_verdicts_text(sources.first_questions)
    yield Text(
        "For each task and depth the configuration with the highest mean, and what every other one"
        " is beside it: all pairs of all columns are one family of tests. Of the best and those"
        " that are not shown to be worse, the smallest student that answers fastest is the one to"
        " take, by its best seed: its score is the highest of several.",
        "quiet",
    )
    best = list(choices(sources))
    yield result_table(sources, best)
    take = Terms(list(to_take(sources, best)))
    if len(best) > MOST_CHOICES:
        yield Details("Which to take", [take])
    else:
        yield from (Heading("Which to take"), take)


def settings(sources: Sources) -> Iterator[Block]:
    """What everything was trained with."""
    yield settings_table(sources)


def scores(sources: Sources) -> Iterator[Block]:
    """A table for each number of layers."""
    yield (
        "Dev scores in percent, mean ± sample standard deviation over seeds. A score is bold only"
        " where it is the best of its column and shown to be better than every other method there,"
        f" by tests over the seeds corrected for all pairs of all columns.{sources.on_errors}"
    )
    yield Text("Every score leads to its runs.", ON_PAGE)
    for name, table in sources.score_tables:
        yield from (Heading(name), table)
    for task, table in sources.means_tables.items():
        yield Details(f"{task}, all metrics", [table])


def verdicts(sources: Sources) -> Iterator[Block]:
    """For each depth: how often each method won, the pictures, and all numbers to open."""
    if not sources.verdicts:
        yield "There is no baseline (no_kd, kd, pkd) that another method could be held against."
        return
    if sources.first_questions:
        yield Heading("First questions")
        yield (
            "Asked before looking: the gain averaged over depths, seeds and tasks, in margins of"
            " each task. The first questions share one half of the 5 %, all other pairs the other"
            " half. An average speaks of these tasks."
        )
        yield questions_table(sources.first_questions)
        yield Heading("Every pair")
    yield (
        "Two questions are asked of each pair: do they differ, are they equal within the margin."
        " Both are answered by a t over the seeds that they share, whose variance borrows from the"
        " other methods of the task and depth, corrected over all pairs of the report. On this dev"
        " set: other seeds would say the same of these rows; on new texts: other rows would too."
        " Not distinguishable does not mean equal: the columns detectable, among all numbers, say"
        " how large a difference these seeds would have shown with a probability of 80 %."
    )
    yield Text(
        "Dots are mean differences in points, lines their 95 % intervals, not corrected. Full dots"
        " and bold words stand for differences that were shown; a star: by less than the margin;"
        " n. d.: not distinguishable; ?: nothing can be said, and its note says why. An arrow: the"
        f" interval goes on.{sources.on_errors}",
        ON_PAGE,
    )
    if looks := sources.judge.plan.looks:
        yield looks_text(looks)
    for name, layers, rows in verdict_rows(sources):
        yield Heading(name)
        yield counts_table(name, rows)
        by_task = groupby(rows, key=lambda row: str(row["task"]))
        yield [
            _forest(f"forest-{layers}-{i}", f"{task}, {name}", list(of_task))
            for i, (task, of_task) in enumerate(by_task)
        ]
        numbers = verdict_table(sources, name, rows)
        yield Details(f"{plural(len(rows), 'comparison')} of students of {name}", [numbers])


def _forest(name: str, title: str, rows: list[Row]) -> Plate:
    counts = Counter(str(row["kind"]) for row in rows)
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in VERDICTS if counts[kind])
    label = f"Differences of the methods to the baselines on {title}: {kinds}"
    by_baseline = sorted(rows, key=lambda row: BASELINES.index(row["baseline"]))
    return Plate(svg(forest(by_baseline, rows[0]["metric"]), name, label), title)


def classes(sources: Sources) -> Iterator[Block]:
    """Confusion counts and scores of classes for each task and depth, to open."""
    records = [sources.evidence.students[key] for key in sources.experiments["key"]]
    runs = [run.key for run in records if run.run["task"]["kind"] == "classification"]
    if not runs:
        return
    lacking = sum(key not in sources.predictions for key in runs)
    if lacking < len(runs):
        yield (
            "Rows are labels, columns what was answered on dev, summed over the runs of a method."
            " Precision, recall and F1 of each class are means over the runs, in percent; precision"
            " is 0 where a class is never the answer."
        )
    for place in sources.task_depths:
        if tables := [*confusion_tables(sources, place)]:
            yield Details(sources.title(place), tables)
    if lacking:
        yield (
            f"{plural(lacking, 'run')} of {len(runs):,} kept no answers on dev and are left out;"
            " `kedro run --pipeline=evaluate` makes them."
        )


def published_numbers(sources: Sources) -> Iterator[Block]:
    """Theirs, ours, and what their differences are worth; nothing without a task of GLUE."""
    numbers = published()
    tasks = [task for task in dict.fromkeys(numbers["task"]) if task in sources.tasks]
    if not tasks:
        return
    yield (
        "Numbers of others on GLUE's dev splits, copied from where the table says. They come from"
        " other teachers, other students, other ways to choose the best run and other versions of"
        " everything, so they say what was found elsewhere; no test compares them with ours. Where"
        " a number is not of the metric that decides here, its own stands beside it, a ? where the"
        " source does not say."
    )
    chosen = listed(sorted(sources.experiments["selection"].dropna().unique()))
    yield (
        f"Ours: teacher {listed(sources.teacher_models)}, best epoch chosen on {chosen}, mean over"
        " seeds. Theirs: the model named in each row, chosen in their own way."
    )
    yield of_papers(numbers, tasks)
    yield of_this_store(sources, tasks)
    tested = of_papers(numbers, tasks, "test")
    if tested.bodies:
        yield tested
    yield Heading("What they are worth")
    yield (
        "Are newer methods further ahead of older ones, with the same teacher and depth, than"
        " chance in these dev rows alone explains? Seeds, tuning and the best epoch are not"
        " counted, so the noise is larger; data, width and start often differ, too. Only leads and"
        " reruns are shown."
    )
    audit = audit_table(numbers, tasks)
    yield Details(audit.caption, [audit])


def cost(sources: Sources) -> Iterator[Block]:
    """Hours by device, passes of the teacher that the cache spared, and its bytes."""
    cost, sweep = total_cost(sources.evidence), sources.evidence.sweep
    if cost.seconds:
        together = duration(sum(map(sum, cost.seconds.values())))
        yield f"Together {together} of training and recording."
        whose = "the experiments of the sweep alone" if sweep else "trials and reruns included"
        yield cost_table(cost, whose)
    else:
        yield "Nothing was trained."
    if cost.cache_bytes:
        spared = max(0, cost.seen - cost.built_from)
        yield (
            f"Students saw {cost.seen:,} examples with recorded signals of the teacher, which"
            f" was run on {cost.built_from:,} to record them: {spared:,} passes of the teacher were"
            f" spared. The records take {size(cost.cache_bytes)}."
        )


def searches(sources: Sources) -> Iterator[Block]:
    """One line for each study of each search."""
    table = searches_table(sources.evidence.searches)
    if not table.bodies[0].rows:
        return
    yield (
        "Every method of a search was offered the same number of trials; one with fewer"
        " possibilities than that used them all."
    )
    yield table
    if any(record.get("selection") == "dev" for record in sources.evidence.searches):
        yield Text(
            "Where trials were scored on dev, the dev scores of the tuned students are optimistic.",
            "warning",
        )


def runs(sources: Sources) -> Iterator[Block]:
    """Teachers, then students by depth, method and task; then where the methods come from."""
    teachers, students = list_tables(sources)
    yield "Every number above leads here."
    if teachers:
        yield from (Heading("Teachers"), teachers)
    yield from (Heading("Students"), students)
    yield Heading("Methods")
    sources_of = {name: f"{method.summary} {method.source}." for name, method in METHODS.items()}
    others = "a method of this project's users"
    yield Terms([(name, sources_of.get(name, others)) for name in sources.methods])
