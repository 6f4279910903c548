"""Every method against the baselines: all numbers, and how often each method won."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.statistics.paired import EXACT_SIGNS_TO, SIGNS_FROM
from alpkd_pipeline.reporting.statistics.verdict import (
    BASELINES,
    BETTER,
    COLUMNS,
    NOT_DISTINGUISHABLE,
    NOTHING,
    REAL,
    VERDICTS,
    WORSE,
)
from alpkd_pipeline.reporting.tables.table import (
    MISSING,
    Body,
    Cell,
    Column,
    Table,
    cells,
    interval,
    number,
    numbers,
    p_text,
    points,
    signed,
)

if TYPE_CHECKING:
    import pandas as pd

    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.arms import Row

TONES = {BETTER: "better", WORSE: "worse", NOT_DISTINGUISHABLE: "", NOTHING: "quiet"}


def verdict_frame(rows: list[Row]) -> pd.DataFrame:
    """The rows of `verdicts` as verdicts.csv has them."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(REAL, "float64"))


def verdict_rows(sources: Sources) -> Iterator[tuple[str, int, list[Row]]]:
    """For each number of layers its name, itself, and its comparisons in the order of a table."""
    for layers in sources.depths:
        found = [row for row in sources.verdicts if row["layers"] == layers]
        if found:
            found.sort(key=lambda row: (str(row["task"]), sources.rank(row)))
            yield sources.depth(layers), layers, found


def verdict_table(sources: Sources, name: str, rows: list[Row]) -> Table:
    """The numbers of all comparisons of one number of layers."""
    signs = f"test of the signs, from {SIGNS_FROM} seeds on; exact up to {EXACT_SIGNS_TO}"
    power = "the difference that these seeds show with probability 80 %"
    effect = "the difference in standard deviations of differences, Hedges-corrected"

    def method(row: Row) -> Cell:
        return Cell(row["label"], mark=row["method"], href=sources.runs_of(row["runs"]))

    def against(row: Row) -> Cell:
        return Cell(row["baseline_label"], href=sources.runs_of(row["baseline_runs"]))

    def remark(row: Row) -> Cell:
        return Cell("; ".join(filter(None, (row["spread"], row["note"]))), tone="quiet")

    columns = [
        Column("method", method),
        Column("against", against),
        Column("verdict", lambda row: Cell(row["verdict"], tone=TONES[row["verdict"]])),
        numbers("seeds", lambda row: str(int(row["n"])), "that both methods have"),
        numbers(
            "difference",
            lambda row: signed(row["difference"], row["metric"]),
            "mean difference in points",
        ),
        numbers(
            "95 % interval",
            lambda row: interval(row["low"], row["high"], row["metric"]),
            "of the mean difference, not corrected",
        ),
        numbers("p", lambda row: p_text(row["p"]), "of the paired t test", brief=False),
        numbers(
            "p (Holm)", lambda row: p_text(row["p_holm"]), "corrected over all tests of this depth"
        ),
        numbers("effect", lambda row: number(row["effect"], 2), effect, brief=False),
        numbers("p (signs)", lambda row: p_text(row["permutation_p"]), signs, brief=False),
        numbers("detectable", lambda row: points(row["detectable"], metric=row["metric"]), power),
        Column("remark", remark, brief=False),
    ]
    bodies = [
        Body(cells(columns, found), heading=task)
        for task, found in groupby(rows, key=lambda row: str(row["task"]))
    ]
    return Table(f"Every comparison of students of {name}", columns, bodies, group="task")


def counts_table(name: str, rows: list[Row]) -> Table:
    """How often a method was better or worse over the tasks: a line for each label."""
    tests = int(rows[0]["family_size"])
    family = f"Holm over {tests} tests (all tasks, methods and baselines at this depth)"
    held = {row["baseline"] for row in rows}
    columns = [
        Column("method", lambda found: Cell(found[0]["label"], mark=found[0]["method"])),
        *(Column(f"against {base}", partial(_counted, base)) for base in BASELINES if base in held),
    ]
    of_label: dict[str, list[Row]] = {}
    for row in rows:
        of_label.setdefault(row["label"], []).append(row)
    return Table(
        f"Verdicts over the tasks, students of {name};"
        f" {family if tests else 'too few seeds for any test'}",
        columns,
        [Body(cells(columns, of_label.values()))],
    )


def _counted(baseline: str, rows: list[Row]) -> Cell:
    counts = Counter(str(row["verdict"]) for row in rows if row["baseline"] == baseline)
    said = [f"{counts[word]} {word}" for word in VERDICTS[:-1] if counts[word]]
    said += [f"{NOTHING} on {counts[NOTHING]}"] if counts[NOTHING] else []
    shown = [word for word in (BETTER, WORSE) if counts[word]]
    tone = TONES[shown[0]] if len(shown) == 1 else "" if shown else "quiet"
    return Cell(", ".join(said) or MISSING, tone=tone)
