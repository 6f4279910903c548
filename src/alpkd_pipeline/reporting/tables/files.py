"""The tables of a comparison as files: for programs and for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.tables.latex import latex

if TYPE_CHECKING:
    import pandas as pd

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
