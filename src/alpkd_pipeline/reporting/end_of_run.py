"""What a run says when it is done: teacher and student side by side, and where things are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alpkd_pipeline.models.shape import shape_of
from alpkd_pipeline.reporting.terminal import ModelSummary
from alpkd_pipeline.runs.finished import FinishedFolder


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
