"""First questions, and every method against the baselines: all numbers, how often each won."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.statistics import words
from alpkd_pipeline.reporting.statistics.verdict import BASELINES, COLUMNS, REAL
from alpkd_pipeline.reporting.tables.table import (
    MINUS,
    MISSING,
    Body,
    Column,
    Table,
    TableCell,
    cells,
    interval,
    listed,
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

TONES = {
    words.BETTER: "better",
    words.BETTER_WITHIN: "better",
    words.WORSE: "worse",
    words.WORSE_WITHIN: "worse",
    words.NOTHING: "quiet",
}


def verdict_frame(rows: list[Row]) -> pd.DataFrame:
    """The rows of `verdicts` as verdicts.csv has them."""
    import pandas as pd

    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(REAL, "float64"))


def gain(value: float | None) -> str:
    """A gain in margins, with its sign: `+0.42`."""
    return MISSING if value is None else f"{value:+.2f}".replace("-", MINUS)


def first_verdicts_text(rows: Sequence[Row]) -> Iterator[str]:
    """The answers to the first questions that have one, a sentence each."""
    for row in rows:
        if row["mean"] is not None:
            yield (
                f"{row['question']}, over {listed(row['tasks'])}: {row['verdict']}"
                f" ({gain(row['mean'])} margins, {plural(row['n'], 'seed')})."
            )


def looks_text(looks: Sequence[int]) -> str:
    """What planned looks do to every p."""
    shares = [f"{100 * (words.planned_share(looks, seeds) or 0.0):.1f} %" for seeds in looks]
    return (
        f"Looks were planned at {listed(map(str, looks))} seeds, for {listed(shares)} of the level:"
        " every p is divided by the share of its look, and pairs with another number of seeds are"
        " not tested."
    )


def questions_table(rows: Sequence[Row]) -> Table:
    """The answers to the first questions."""

    def between(row: Row) -> str:
        return MISSING if row["low"] is None else f"{gain(row['low'])} to {gain(row['high'])}"

    def rests_on(row: Row) -> str:
        depths = f"{listed(map(str, row['depths']))} layers"
        return f"{listed(row['tasks'])}; {depths}" if row["tasks"] else MISSING

    over = "mean over depths, seeds and tasks, 1 is the margin of each task"
    columns = [
        Column("question", lambda row: TableCell(row["question"], mark=row["method"])),
        Column("verdict", _verdict),
        numbers("gain", lambda row: gain(row["mean"]), over),
        numbers("95 % interval", between, "of the gain, not corrected"),
        numbers("seeds", lambda row: str(row["n"])),
        numbers(
            "p (corrected)",
            lambda row: p_text(row["p_corrected"]),
            f"of no difference; shown below {p_text(words.LEVEL / 2)}",
        ),
        numbers("p (equal)", lambda row: p_text(row["p_equal"]), "of a margin or more"),
        Column("over", rests_on),
        Column("left out", lambda row: TableCell(row["note"], tone="quiet")),
    ]
    return Table("First questions", columns, [Body(cells(columns, rows))]).without_empty()


def _verdict(row: Row) -> TableCell:
    return TableCell(row["verdict"], tone=TONES.get(row["kind"], ""))


def verdict_rows(sources: Sources) -> Iterator[tuple[str, int, list[Row]]]:
    """For each number of layers its name, itself, and its comparisons in the order of a table."""
    for layers in sources.depths:
        found = [row for row in sources.verdicts if row["layers"] == layers]
        if found:
            found.sort(key=lambda row: (str(row["task"]), sources.rank(row)))
            yield sources.depth(layers), layers, found


def verdict_table(sources: Sources, name: str, rows: list[Row]) -> Table:
    """The numbers of all comparisons of one number of layers."""
    power = "the true difference that these seeds show with probability 80 %: by this test alone"
    effect = "the difference in standard deviations of differences, Hedges-corrected"

    def method(row: Row) -> TableCell:
        return TableCell(row["label"], mark=row["method"], href=sources.runs_of(row["runs"]))

    def against(row: Row) -> TableCell:
        return TableCell(row["baseline_label"], href=sources.runs_of(row["baseline_runs"]))

    def difference(row: Row) -> str:
        return signed(row["difference"], row["metric"])

    def between(row: Row) -> str:
        return interval(row["low"], row["high"], row["metric"])

    def score(column: str) -> Callable[[Row], str]:
        return lambda row: points(row[column], metric=row["metric"])

    columns = [
        Column("method", method),
        Column("against", against),
        Column("on this dev set", _verdict),
        Column("on new texts", lambda row: row["new_texts"] or MISSING),
        numbers("seeds", lambda row: str(int(row["n"])), "that both methods have"),
        numbers("difference", difference, "mean difference in points"),
        numbers("95 % interval", between, "of the mean difference by the paired t, not corrected"),
        numbers("p", lambda row: p_text(row["p"]), "of the paired t, not corrected", brief=False),
        numbers("effect", lambda row: number(row["effect"], 2), effect, brief=False),
        numbers(
            "p (corrected)",
            lambda row: p_text(row["p_corrected"]),
            "of no difference, by the borrowed t over all pairs of the report; shown below"
            f" {p_text(sources.judge.plan.level)}",
        ),
        numbers(
            "p (equal)",
            lambda row: p_text(row["p_equal"]),
            "of a difference of the margin or more, likewise",
            brief=False,
        ),
        numbers("detectable", score("detectable"), power),
        numbers("in the family", score("detectable_family"), "at the first step of the correction"),
        Column("spread", lambda row: TableCell(row["spread"], tone="quiet"), brief=False),
        Column("note", lambda row: TableCell(row["note"], tone="quiet")),
    ]
    bodies = [
        Body(cells(columns, found), heading=task)
        for task, found in groupby(rows, key=lambda row: str(row["task"]))
    ]
    table = Table(f"Every comparison of students of {name}", columns, bodies, group="task")
    return table.without_empty()


def counts_table(name: str, rows: list[Row]) -> Table:
    """What was said of a method over the tasks: a line for each label."""
    held = {row["baseline"] for row in rows}
    columns = [
        Column("method", lambda found: TableCell(found[0]["label"], mark=found[0]["method"])),
        *(Column(f"against {base}", partial(_counted, base)) for base in BASELINES if base in held),
    ]
    family = "no pair could be tested"
    if pairs := int(rows[0]["family_size"]):
        family = f"corrected over the {plural(pairs, 'pair')} of the report, all depths together"
    of_label: dict[str, list[Row]] = {}
    for row in rows:
        of_label.setdefault(row["label"], []).append(row)
    caption = f"Verdicts over the tasks, students of {name}; {family}"
    return Table(caption, columns, [Body(cells(columns, of_label.values()))])


def _counted(baseline: str, rows: list[Row]) -> TableCell:
    counts = Counter(str(row["kind"]) for row in rows if row["baseline"] == baseline)
    said = [f"{counts[kind]} {kind}" for kind in words.VERDICTS[:-1] if counts[kind]]
    if unknown := counts[words.NOTHING]:
        said.append(f"{words.NOTHING} on {plural(unknown, 'task')}")
    tones = {TONES.get(kind, "") for kind in words.VERDICTS[:-1] if counts[kind]} - {""}
    tone = tones.pop() if len(tones) == 1 else "" if said and not unknown else "quiet"
    return TableCell(", ".join(said) or MISSING, tone=tone)
