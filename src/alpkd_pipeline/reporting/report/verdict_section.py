"""Section 3: every method against the baselines, in words, pictures and numbers."""

from __future__ import annotations

from collections import Counter

from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.plots.forest import forest
from alpkd_pipeline.reporting.report.blocks import (
    Block,
    Body,
    Cell,
    Column,
    Details,
    Heading,
    Plate,
    Plates,
    Section,
    Table,
    meanings,
    text,
)
from alpkd_pipeline.reporting.report.sources import Row, Sources
from alpkd_pipeline.reporting.report.words import (
    MISSING,
    depth,
    interval,
    method_cell,
    number,
    p_text,
    points,
    signed,
)
from alpkd_pipeline.reporting.statistics.paired import EXACT_SIGNS_TO, SIGNS_FROM
from alpkd_pipeline.reporting.statistics.verdict import (
    BETTER,
    NOT_DISTINGUISHABLE,
    NOTHING,
    VERDICTS,
    WORSE,
)

_INTRO = (
    "The verdict is that of a paired t test over the seeds that both methods have, corrected by"
    " Holm over all tests of one depth. Not distinguishable does not mean equal: the column"
    " detectable, among all numbers, says how large a difference these seeds would have shown with"
    " a probability of 80 %."
)
_FOREST = (
    "Dots are mean differences in points, lines their 95 % intervals, not corrected. Full dots and"
    " words stand for differences that were shown; n. d.: not distinguishable; ?: nothing can be"
    " said (fewer than 3 shared seeds). An arrow: the interval goes on."
)
TONES = {BETTER: "better", WORSE: "worse", NOT_DISTINGUISHABLE: "", NOTHING: "quiet"}

_COLUMNS = (
    Column("method"),
    Column("against"),
    Column("verdict"),
    Column("n", True, "shared seeds"),
    Column("difference", True, "mean difference in points"),
    Column("95 % interval", True, "of the mean difference, not corrected"),
    Column("p", True, "of the paired t test"),
    Column("p (Holm)", True, "corrected over all tests of this depth"),
    Column(
        "effect", True, "the difference in standard deviations of differences, Hedges-corrected"
    ),
    Column(
        "p (signs)",
        True,
        f"test of the signs, from {SIGNS_FROM} seeds on; exact up to {EXACT_SIGNS_TO}",
    ),
    Column("detectable", True, "the difference that these seeds show with probability 80 %"),
    Column("remark"),
)


def verdict_section(sources: Sources) -> Section:
    """For each depth: how often each method won, the pictures, and all numbers to open."""
    if sources.verdicts.empty:
        nothing = "There is no baseline (no_kd, kd, pkd) that another method could be held against."
        return Section("verdicts", "Verdicts", [text(nothing)])
    blocks: list[Block] = [text(_INTRO), text(_FOREST + sources.on_errors)]
    for layers in sources.depths:
        rows: list[Row] = sources.verdicts[sources.verdicts["layers"] == layers].to_dict("records")
        if rows:
            blocks += _of_depth(sources, layers, rows)
    return Section("verdicts", "Verdicts", blocks)


def _of_depth(sources: Sources, layers: int, rows: list[Row]) -> list[Block]:
    rows = sorted(rows, key=lambda row: (str(row["task"]), sources.rank(row)))
    by_task: dict[str, list[Row]] = {}
    for row in rows:
        by_task.setdefault(str(row["task"]), []).append(row)
    name = depth(layers, sources.teacher_layers(layers))
    plates = [
        Plate(_forest(f"forest-{layers}-{i}", task, name, found), f"{task}, {name}")
        for i, (task, found) in enumerate(by_task.items())
    ]
    count = len(rows)
    return [
        Heading(name),
        _counts(rows, name),
        Plates(plates),
        Details(
            f"All {count} comparisons of students of {name}",
            [_numbers(sources, by_task, name), *meanings(_COLUMNS)],
        ),
    ]


def _forest(name: str, task: str, said: str, rows: list[Row]) -> str:
    by_baseline = sorted(rows, key=lambda row: _BASELINES.get(str(row["baseline"]), 9))
    told = Counter(str(row["verdict"]) for row in rows)
    words = ", ".join(f"{told[verdict]} {verdict}" for verdict in VERDICTS if told[verdict])
    label = f"Differences of the methods to the baselines on {task}, {said}: {words}"
    return svg(forest(by_baseline, str(rows[0]["metric"])), name, label)


_BASELINES = {"no_kd": 0, "kd": 1, "pkd": 2}


def _counts(rows: list[Row], name: str) -> Table:
    """How often a method was better or worse over the tasks: a line for each label."""
    baselines = sorted({str(r["baseline"]) for r in rows}, key=lambda b: _BASELINES.get(b, 9))
    tests = int(rows[0]["family_size"])
    family = f"Holm over {tests} tests (all tasks, methods and baselines at this depth)"
    table = []
    for label, method in dict.fromkeys((str(row["label"]), str(row["method"])) for row in rows):
        found = [[r for r in rows if r["label"] == label and r["baseline"] == b] for b in baselines]
        table.append([method_cell(label, method), *map(_told, found)])
    return Table(
        caption=f"Verdicts over the tasks, students of {name};"
        f" {family if tests else 'too few seeds for any test'}",
        columns=[Column("method"), *(Column(f"against {baseline}") for baseline in baselines)],
        bodies=[Body(table)],
    )


def _told(rows: list[Row]) -> Cell:
    counts = Counter(str(row["verdict"]) for row in rows)
    said = [f"{counts[word]} {word}" for word in VERDICTS[:-1] if counts[word]]
    said += [f"{NOTHING} on {counts[NOTHING]}"] if counts[NOTHING] else []
    shown = [word for word in (BETTER, WORSE) if counts[word]]
    tone = TONES[shown[0]] if len(shown) == 1 else "" if shown else "quiet"
    return Cell(", ".join(said) or MISSING, tone=tone)


def _numbers(sources: Sources, by_task: dict[str, list[Row]], name: str) -> Table:
    bodies = [
        Body([_line(sources, row) for row in rows], heading=task) for task, rows in by_task.items()
    ]
    return Table(f"Every comparison of students of {name}", _COLUMNS, bodies)


def _line(sources: Sources, row: Row) -> list[Cell]:
    theirs, metric = row["baseline_runs"], str(row["metric"])
    return [
        method_cell(str(row["label"]), str(row["method"]), href=sources.runs_of(row["runs"])),
        Cell(str(row["baseline_label"]), href=sources.runs_of(theirs) if theirs else ""),
        Cell(str(row["verdict"]), tone=TONES[str(row["verdict"])]),
        Cell(str(int(row["n"]))),
        Cell(signed(row["difference"], metric)),
        Cell(interval(row["low"], row["high"], metric)),
        Cell(p_text(row["p"])),
        Cell(p_text(row["p_holm"])),
        Cell(number(row["effect"], 2)),
        Cell(p_text(row["permutation_p"])),
        Cell(points(row["detectable"], metric=metric)),
        Cell("; ".join(filter(None, (str(row["spread"]), str(row["note"])))), tone="quiet"),
    ]
