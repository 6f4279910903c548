"""The small table that a run prints when it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from alpkd_pipeline.models.shape import shape_of
from alpkd_pipeline.reporting.statistics.summary import millions, score_text, seconds_text
from alpkd_pipeline.store.finished import FinishedFolder

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One line of the table.

    Attributes:
        model: what the line is about: `teacher`, `student (alp_kd)`.
        layers: transformer layers.
        parameters: parameters in all.
        scores: score name -> value, `{"dev accuracy": 0.93}`; lines may have different names.
        seconds: how long its training took, None where it is not known.
    """

    model: str
    layers: int
    parameters: int
    scores: Mapping[str, float]
    seconds: float | None = None


def summary_table(rows: Sequence[ModelSummary], title: str | None = None) -> Table:
    """The table of a teacher and its students.

    It uses no colours, only the terminal's own and bold, so that it reads well on light and dark
    backgrounds.

    Args:
        rows: one line each, in this order.
        title: said above the table.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    table = Table(
        title=None if title is None else Text(title),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column("model", overflow="fold")
    for heading in ("layers", "parameters", *names, "seconds"):
        table.add_column(Text(heading), justify="right")
    for row in rows:
        scores = (score_text(row.scores.get(name)) for name in names)
        table.add_row(
            Text(row.model),
            str(row.layers),
            millions(row.parameters),
            *scores,
            seconds_text(row.seconds),
        )
    return table


def print_summary(
    rows: Sequence[ModelSummary], title: str | None = None, file: TextIO | None = None
) -> None:
    """Print the table; plain text without control codes where the output is not a terminal.

    Args:
        rows: one line each, in this order.
        title: said above the table.
        file: where to; standard output by default.
    """
    from rich.console import Console

    Console(file=file, highlight=False).print(summary_table(rows, title))


def cell_summary(models: dict[str, Path], scores: dict[str, Path]) -> list[ModelSummary]:
    """One line a model that has been scored.

    Args:
        models: model folders by what they are called in the table.
        scores: the folders of their scores, of which those on dev are shown, under the same names;
            those that are not there yet are left out, and so is their line.
    """
    return [
        _line(name, FinishedFolder(folder), FinishedFolder(scores[name]))
        for name, folder in models.items()
        if name in scores and FinishedFolder(scores[name]).is_there and folder.is_dir()
    ]


def _line(name: str, folder: FinishedFolder, scored: FinishedFolder) -> ModelSummary:
    metrics, task = folder.json("metrics.json"), folder.json("run.json")["task"]
    splits = scored.json("scores.json")["splits"]
    dev = {name: splits[name] for name in task["dev_splits"] if name in splits}
    return ModelSummary(
        model=name,
        layers=shape_of(folder.json("config.json")).layers,
        parameters=metrics["parameters"]["total"],
        scores=_flat(dev, task["metrics"][0]),
        seconds=metrics.get("seconds"),
    )


def _flat(splits: dict[str, Any], deciding: str) -> dict[str, float]:
    """Scores by `<split> <metric>`, the deciding metric first."""
    return {
        f"{split} {metric}": facts["scores"][metric]
        for split, facts in splits.items()
        for metric in sorted(facts["scores"] or {}, key=lambda name: (name != deciding, name))
    }


def closing_lines(
    student: Path | None, comparison: Path | None, mlflow_command: str | None
) -> list[str]:
    """Where the student and the comparison lie, and what opens MLflow; None leaves a line out."""
    found = {
        "student": None if student is None else _shown(student),
        "comparison": None if comparison is None else _page(comparison),
        "mlflow": mlflow_command,
    }
    return [f"{name}: {text}" for name, text in found.items() if text is not None]


def _page(comparison: Path) -> str:
    from alpkd_pipeline.reporting.comparison import PAGE  # a start without work does without

    return _shown(comparison / PAGE)


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
