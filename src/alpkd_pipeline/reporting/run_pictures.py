"""The pictures of one training, made from its metrics.json."""

from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.runs.finished import FinishedFolder


def run_pictures(folder: Path) -> dict[str, bytes]:
    """PNG files by name: the attention heat-map of a student that has attention, or nothing."""
    finished = FinishedFolder(folder)
    attention = finished.json("metrics.json").get("attention")
    if attention is None:
        return {}
    from alpkd_pipeline.reporting.heatmap import attention_heatmap, figure_png

    title = f"{finished.json('run.json')['name']}: attention of student over teacher layers"
    figure = attention_heatmap(
        attention["weights"], attention["entropy"], attention["max_entropy"], title
    )
    return {"attention.png": figure_png(figure)}
