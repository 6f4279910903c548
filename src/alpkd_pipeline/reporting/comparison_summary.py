"""The main tables and the verdicts of a comparison as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.markdown import markdown_table
from alpkd_pipeline.reporting.report.sources import Row, Sources
from alpkd_pipeline.reporting.report.words import (
    MISSING,
    depth,
    interval,
    number,
    p_text,
    plus_minus,
    points,
    signed,
)
from alpkd_pipeline.reporting.tables.average import AVERAGE, average_name

if TYPE_CHECKING:
    import pandas as pd

_MEANINGS = (
    "Difference: mean over shared seeds, in points. Interval: not corrected for other tests."
    " Detectable: the difference that these seeds show with probability 80 %.\n"
)
_TEXT = ("task", "method", "against", "verdict")


def main_parts(sources: Sources) -> list[str]:
    """A table for each number of layers: methods against tasks, in percent."""
    parts = ["## Scores\n"]
    for layers in sources.depths:
        name = depth(layers, sources.teacher_layers(layers))
        table = sources.main[sources.main["layers"] == layers]
        parts += [f"### {name}\n", _main(table)]
    said = (
        "Dev scores in percent, mean ± sample standard deviation over seeds. Bold: better than"
        " every other method of the column by paired tests over seeds (Holm-corrected)."
    )
    if (sources.main["task"] == AVERAGE).any():
        said += (
            " Average: over the tasks that all students of the table have; rank: mean place among"
            " them, 1 is the best."
        )
    said += f"{sources.on_errors}\n"
    return [*parts, said]


def _main(table: pd.DataFrame) -> str:
    lines: list[Row] = table.to_dict("records")
    tasks = sorted({str(line["task"]) for line in lines} - {AVERAGE})
    over = [int(line["tasks"]) for line in lines if line["task"] == AVERAGE]
    averaged = [AVERAGE] if over else []
    rows: dict[int, dict[str, Row]] = {}
    for line in lines:
        rows.setdefault(int(line["row"]), {})[str(line["task"])] = line
    more = [average_name(over[0]), "rank"] if over else []
    headings = ["method", *tasks, *more]
    cells = []
    for row in rows.values():
        first = next(iter(row.values()))
        ranked = [number(row.get(AVERAGE, {}).get("rank"), 1)] if averaged else []
        scores = [_score(row.get(task)) for task in [*tasks, *averaged]]
        cells.append([str(first["label"]), *scores, *ranked])
    return markdown_table(headings, cells, right=headings[1:])


def _score(line: Row | None) -> str:
    if line is None:
        return MISSING
    text = plus_minus(line["mean"], line["std"], line["metric"])
    return f"**{text}**" if line["bold"] else text


def verdict_parts(sources: Sources) -> list[str]:
    """A table for each number of layers: every method against every baseline."""
    parts = ["## Verdicts\n"] if not sources.verdicts.empty else []
    for layers in sources.depths:
        rows: list[Row] = sources.verdicts[sources.verdicts["layers"] == layers].to_dict("records")
        if rows:
            name = depth(layers, sources.teacher_layers(layers))
            rows.sort(key=lambda row: (str(row["task"]), sources.rank(row)))
            parts += [f"### {name}\n", _verdicts(rows), f"{rows[0]['family']}.\n"]
    return [*parts, _MEANINGS] if parts else []


def _verdicts(rows: list[Row]) -> str:
    cells = [
        {
            "task": str(row["task"]),
            "method": str(row["label"]),
            "against": str(row["baseline_label"]),
            "verdict": str(row["verdict"]),
            "seeds": str(int(row["n"])),
            "difference": signed(row["difference"], row["metric"]),
            "95 % interval": interval(row["low"], row["high"], row["metric"]),
            "p (Holm)": p_text(row["p_holm"]),
            "detectable": points(row["detectable"], metric=row["metric"]),
        }
        for row in rows
    ]
    headings = list(cells[0])
    table = [[row[name] for name in headings] for row in cells]
    return markdown_table(headings, table, right=[h for h in headings if h not in _TEXT])
