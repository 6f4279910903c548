"""The small table that a run prints when it is done."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from alpkd_pipeline.errors import short
from alpkd_pipeline.models.shape import shape_of
from alpkd_pipeline.reporting.formats import millions, score_text, seconds_text
from alpkd_pipeline.reporting.statistics.predictions import labels_and_predictions
from alpkd_pipeline.reporting.statistics.scores import collapsed
from alpkd_pipeline.store.run_folder import RunFolder

if TYPE_CHECKING:
    from rich.table import Table


PAGE = "report.html"
"""The file of a comparison that people open."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of the table."""

    model: str  # what the line is about: `teacher`, `student (alp_kd)`
    layers: int | None  # transformer layers; None: it is a table
    parameters: int | None  # parameters in all
    # score name -> value, `{"dev accuracy": 0.93}`; lines may have different names
    scores: Mapping[str, float]
    seconds: float | None = None  # how long its training took, None where it is not known
    note: str = ""  # what a reader of its scores must know


def text_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: Collection[str] = (),
    title: str | None = None,
) -> Table:
    """A table of plain texts; `numbers` are the headings of those columns that stand to the right.

    It uses no colours, only the terminal's own and bold, so that it reads well on light and dark
    backgrounds.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    for heading in headings:
        if heading in numbers:
            table.add_column(Text(heading), justify="right")
        else:
            table.add_column(Text(heading), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def summary_table(rows: Sequence[ModelSummary], title: str | None = None) -> Table:
    """The table of a teacher and its students, one line each, below a title."""
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    numbers, lines = ["layers", "parameters", *names, "seconds"], []
    for row in rows:
        scores = (score_text(row.scores.get(name)) for name in names)
        depth, size = "-" if row.layers is None else str(row.layers), millions(row.parameters)
        lines.append([row.model, depth, size, *scores, seconds_text(row.seconds)])
    return text_table(["model", *numbers], lines, numbers, title)


def print_summary(
    rows: Sequence[ModelSummary], title: str | None = None, file: TextIO | None = None
) -> None:
    """Print the table, then the notes; plain text without control codes where the output is not a
    terminal."""
    from rich.console import Console

    console = Console(file=file, highlight=False)
    console.print(summary_table(rows, title))
    for note in filter(None, (row.note for row in rows)):
        console.print(note, markup=False, soft_wrap=True)


def experiment_summary(models: dict[str, Path], scores: dict[str, Path]) -> list[ModelSummary]:
    """One line a model that has been scored.

    Model folders are given by what they are called in the table, the folders of their scores, of
    which those on dev are shown, under the same names. A model that was not scored yet has no line.
    """
    return [
        _line(name, RunFolder(folder), RunFolder(scores[name]))
        for name, folder in models.items()
        if name in scores and RunFolder(scores[name]).is_there and folder.is_dir()
    ]


def _line(name: str, folder: RunFolder, scored: RunFolder) -> ModelSummary:
    metrics, task = folder.metrics, folder.run["task"]
    splits, primary = scored.json("scores.json")["splits"], task["metrics"][0]
    scores = {
        f"{split} {metric}": splits[split]["scores"][metric]
        for split in task["dev_splits"]
        if split in splits
        for metric in sorted(splits[split]["scores"] or {}, key=lambda n: (n != primary, n))
    }
    size = metrics.get("parameters")
    return ModelSummary(
        model=name,
        layers=shape_of(folder.json("config.json")).layers if size else None,
        parameters=size["total"] if size else None,
        scores=scores,
        seconds=metrics.get("seconds"),
        note=_note(name, task, scored.predictions(task["dev_splits"][0])),
    )


def _note(name: str, task: Mapping[str, Any], file: bytes | None) -> str:
    """That a model says the same of all dev rows, by the file of its answers; else nothing."""
    labels, predictions = labels_and_predictions(file) if file else ([], [])
    if not predictions or not collapsed(predictions, labels, task["metrics"][0]):
        return ""
    rows = f"all {len(predictions):,} {task['dev_splits'][0]} rows"
    if task["kind"] == "classification":
        return f"{name} answers '{task['label_names'][int(predictions[0])]}' for {rows}"
    lie, between = (f"{min(v):.4g} to {max(v):.4g}" for v in (predictions, labels))
    return f"{name} answers nearly the same for {rows}: {lie}, where the labels are {between}"


def closing_lines(
    student: Path | None, comparison: Path | None, mlflow_command: str | None
) -> list[str]:
    """Where the student and the comparison lie, and what opens MLflow; None leaves a line out."""
    found = {
        "student": student and str(short(student)),
        "comparison": comparison and str(short(comparison / PAGE)),
        "mlflow": mlflow_command,
    }
    return [f"{name}: {text}" for name, text in found.items() if text is not None]
