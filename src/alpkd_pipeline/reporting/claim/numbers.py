"""Every number of a comparison by a name, as it is printed, also in LaTeX; needs Python alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from alpkd_pipeline.reporting.statistics.arms import Row
from alpkd_pipeline.reporting.statistics.judge import Judge, first_questions
from alpkd_pipeline.reporting.statistics.verdict import best, verdicts
from alpkd_pipeline.reporting.tex import escape


def numbers(judge: Judge) -> dict[str, str]:
    """Name -> what a table says, for means, pairs, first questions and the best of each column.

    `mrpc/2/alp_kd/mean` is the mean of a task, depth and method in percent (errors: as they are),
    `mrpc/2/alp_kd/against/kd/verdict` what was said of a pair, `question/alp_kd/kd/gain` the answer
    to a first question, `mrpc/2/best` the method with the best mean. What TeX could not read in a
    name stands in it by its number: `<25>` for a percent sign.
    """
    found: dict[str, str] = {}
    for arm in judge.table:
        for name in ("mean", "std", "low", "high"):
            found[f"{_prefix(arm)}/{arm['label']}/{name}"] = _score(arm[name], arm)
        found[f"{_prefix(arm)}/{arm['label']}/seeds"] = str(arm["n"])
    for row in verdicts(judge):
        told = {name: _score(row[name], row, "+") for name in ("difference", "low", "high")}
        told |= {"seeds": str(row["n"]), "df": _number(row["df"], 3)} | _tested(row, "p", "t")
        told["new-texts"] = str(row["new_texts"] or "-")
        name_of = f"{_prefix(row)}/{row['label']}/against/{row['baseline_label']}"
        found |= {f"{name_of}/{name}": text for name, text in told.items()}
    for row in first_questions(judge):
        told = {name: _number(row[name], 2) for name in ("low", "high")}
        told |= {"gain": _number(row["mean"], 2)} | _tested(row)
        name_of = f"question/{row['method']}/{row['baseline']}"
        found |= {f"{name_of}/{name}": text for name, text in told.items()}
    for row in best(judge):
        found[f"{_prefix(row)}/best"] = f"{row['label']}{' (shown)' if row['bold'] else ''}"
    return {_UNREADABLE.sub(lambda mark: f"<{ord(mark[0]):x}>", n): v for n, v in found.items()}


_UNREADABLE = re.compile(r"[^\w .,:;=()\[\]/+*!?@'|-]|(?<= ) ")
"""In a macro's argument: TeX's own characters, line breaks, and a blank behind a blank."""


def latex(found: Mapping[str, str]) -> str:
    """The numbers as macros: `\\alpkd{name}` prints one, and stops at a name that is not there."""
    lines = [
        r"% \input this file, then write \alpkd{mrpc/2/alp_kd/mean}.",
        r"\makeatletter",
        r"\providecommand{\alpkd}[1]{\@ifundefined{alpkd@\detokenize{#1}}%",
        r"  {\errmessage{No run supports #1}}{\@nameuse{alpkd@\detokenize{#1}}}}",
        r"\providecommand{\alpkd@number}[2]{\@namedef{alpkd@\detokenize{#1}}{#2}}",
        *(f"\\alpkd@number{{{name}}}{{{escape(text)}}}" for name, text in sorted(found.items())),
        r"\makeatother",
    ]
    return "\n".join(lines) + "\n"


def _prefix(row: Row) -> str:
    return f"{row['task']}/{row['layers']}"


def _score(value: float | None, row: Row, plus: str = "") -> str:
    if value is None:
        return "-"
    return f"{100 * value:{plus}.1f}" if row["sign"] > 0 else f"{value:{plus}.3f}"


def _tested(row: Row, *more: str) -> dict[str, str]:
    """The p values of a row, and more of its columns, with four digits, and its verdict."""
    told = {n: _number(row[n], 4) for n in ("p_corrected", "p_equal", *more)}
    return {n.replace("_", "-"): v for n, v in told.items()} | {"verdict": str(row["verdict"])}


def _number(value: Any, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
