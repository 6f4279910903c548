"""The main tables for a paper, as LaTeX with booktabs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.statistics.summary import scaled_text
from alpkd_pipeline.reporting.tables.average import AVERAGE, average_name
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    import pandas as pd


_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


def latex(main: pd.DataFrame) -> str:
    """A table for each number of layers, in the order of `main`.

    Args:
        main: what `tables.main.main_long` returned.

    Returns:
        LaTeX that needs the package booktabs. Scores are in percent, mean and standard deviation
        over seeds; bold only where the main table is.
    """
    head = "% Needs \\usepackage{booktabs}.\n"
    depths = [int(layers) for layers in main["layers"].unique()]
    tables = [_table(main[main["layers"] == layers], layers) for layers in depths]
    return "\n".join([head, *tables])


def escape(text: str) -> str:
    """Text as LaTeX prints it: `alp\\_kd`."""
    return "".join(_SPECIAL.get(mark, mark) for mark in " ".join(text.split()))


def _table(table: pd.DataFrame, layers: int) -> str:
    tasks = [task for task in dict.fromkeys(table["task"]) if task != AVERAGE]
    over = table.loc[table["task"] == AVERAGE, "tasks"].tolist()
    averaged = bool(over)
    more = [average_name(int(over[0])), "rank"] if averaged else []
    headings = ["", *map(escape, tasks), *more]
    rows = [_row(lines, tasks, averaged) for _, lines in table.groupby("row")]
    kinds = table.drop_duplicates("row")["kind"].tolist()
    body = [
        line
        for kind, row in zip(kinds, rows, strict=True)
        for line in ([row, r"\midrule"] if kind == "teacher" else [row])
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{_caption(table, layers)}}}",
            f"\\label{{tab:{layers}-layers}}",
            f"\\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
            r"\toprule",
            " & ".join(headings) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _row(lines: pd.DataFrame, tasks: list[str], averaged: bool) -> str:
    by_task = {line["task"]: line for line in lines.to_dict("records")}
    label = escape(lines["label"].iloc[0])
    cells = [_score(by_task.get(task)) for task in [*tasks, *([AVERAGE] if averaged else [])]]
    if averaged:
        rank = by_task.get(AVERAGE, {}).get("rank", math.nan)
        cells.append("--" if math.isnan(rank) else f"{rank:.1f}")
    return " & ".join([label, *cells]) + r" \\"


def _score(line: dict[Any, Any] | None) -> str:
    if line is None:
        return "--"
    mean, std = (scaled_text(line[name], line["metric"]) for name in ("mean", "std"))
    if line["bold"]:
        mean = f"\\textbf{{{mean}}}"
    return mean if math.isnan(line["std"]) else f"{mean} $\\pm$ {std}"


def _caption(table: pd.DataFrame, layers: int) -> str:
    lines = table[table["task"] != AVERAGE]
    students = lines[lines["kind"] == "student"]
    metrics = lines.drop_duplicates("task")
    told = ", ".join(
        f"{escape(task)} {escape(metric)}"
        for task, metric in zip(metrics["task"], metrics["metric"], strict=True)
    )
    but = ", errors in the unit of the labels" if any(map(is_error, metrics["metric"])) else ""
    least, most = int(students["n"].min()), int(students["n"].max())
    seeds = plural(most, "seed") if least == most else f"{least} to {most} seeds"
    return (
        f"Students of {layers} layers on the dev splits, in percent{but} ({told}): mean $\\pm$"
        f" standard deviation over {seeds}. Bold: better than every other student of the column by"
        " paired $t$ tests over seeds, Holm-corrected, $p < 0.05$."
    )


VERDICTS = "verdicts.csv"
MAIN = "main.csv"
LATEX = "tables.tex"

_LISTS = ("runs", "baseline_runs")


def write_frames(main: pd.DataFrame, told: pd.DataFrame, out: Path) -> list[Path]:
    """Write verdicts.csv, main.csv (one line a number) and tables.tex.

    Args:
        main: of `main_long`.
        told: of `verdicts`.
        out: the folder, made if it is not there.

    Returns:
        The files. In the CSV files keys of runs stand in one cell, with spaces between them.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in ((VERDICTS, told), (MAIN, main)):
        _flat(frame).to_csv(out / name, index=False, lineterminator="\n")
    (out / LATEX).write_text(latex(main), encoding="utf-8", newline="\n")
    return [out / name for name in (VERDICTS, MAIN, LATEX)]


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    lists = [name for name in _LISTS if name in frame.columns]
    return frame.assign(**{name: frame[name].map(" ".join) for name in lists})
