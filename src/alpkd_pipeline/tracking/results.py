"""What a finished training came to: its scores, beside its teacher's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.store.journal import sealed_events
from alpkd_pipeline.store.layout import SCORES
from alpkd_pipeline.store.run_folder import RunFolder, input_place, results_of, written_ns
from alpkd_pipeline.tasks.metrics import own_scores
from alpkd_pipeline.tracking.points import RESULT_STEP, Point, points_of, time_ms


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a saved model."""

    key: str  # of the scores, and of the evaluation that `own` is from
    # split -> metric -> score, splits with known labels only, the deciding one first
    splits: Mapping[str, Mapping[str, float]]
    # the same of the user's own metrics, of these splits
    own: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    own_ms: int = 0  # when the evaluation was sealed, in milliseconds since the epoch


def find_scores(folder: Path) -> Scored | None:
    """The newest scores of a finished run folder in its store, by the user's own metrics too.

    Args:
        folder: `<store>/<kind>/<task>/<name>`.

    Raises:
        DamagedError: they are not what was sealed.
    """
    if len(folder.parents) < 4:
        return None
    places = (folder.parents[3] / place / folder.parent.name for place in SCORES)
    results = (results_of(place, RunFolder(folder)) for place in places)
    newest, evaluation = (next(iter(found), None) for found in results)
    if newest is None:
        return None
    splits = newest.json("scores.json")["splits"]
    known = {name: facts["scores"] for name, facts in splits.items() if facts["scores"]}
    if not known:
        return None
    found = own_scores(evaluation.json("scores.json")) if evaluation else {}
    own = {split: found[split] for split in known if found.get(split)}
    if evaluation is None or not own:
        return Scored(newest.key, known)
    sealed_ms = written_ns(evaluation.path) // 1_000_000
    return Scored(f"{newest.key}+{evaluation.key}", known, own, sealed_ms)


def final_points(folder: Path, run: Mapping[str, Any], scored: Scored) -> list[Point]:
    """A model's scores as metrics, at the time of its training's end.

    `score` is the deciding metric on the first dev split, the same number as in the comparison;
    `final.<split>.<metric>` are all of them. MLflow shows the latest value of a metric of the
    user's own, so these have the time of their evaluation.
    """
    at_ms = max(map(time_ms, sealed_events(RunFolder(folder))), default=0)
    first, deciding = next(iter(scored.splits.values())), run["task"]["metrics"][0]
    values = {"score": first.get(deciding), "final": scored.splits}
    own = points_of({"final": scored.own}, scored.own_ms, RESULT_STEP)
    return points_of(values, at_ms, RESULT_STEP) + own


def results_table(folder: Path, run: Mapping[str, Any]) -> str:
    """Teacher and student in a Markdown table: layers, parameters, scores, seconds."""
    rows = list(_rows(folder, run))
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names)]
    lines += [[row.get(name, "-") for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(folder: Path, run: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    student = run["stage"] == "student"
    if student:
        path = input_place(folder, run.get("inputs", {}).get("teacher", "nowhere"))
        teacher = RunFolder(path)
        if teacher.is_there:
            yield from _rows(path, teacher.run)
    finished = RunFolder(folder)
    metrics = finished.metrics if finished.has("metrics.json") else {}
    own = run["params"]["student"] if student else {"layers": run["identity"].get("teacher_layers")}
    layers, seconds = own["layers"], metrics.get("seconds")
    total = metrics.get("parameters", {}).get("total")
    yield {
        "model": run["stage"],
        "layers": "-" if layers is None else str(layers),
        "parameters": "-" if total is None else f"{total / 1e6:.2f} M",
        **_scores(folder, run, metrics),
        "training": "-" if seconds is None else f"{seconds:.0f} s",
    }


def _scores(folder: Path, run: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, str]:
    """The deciding metric by split: of the saved model, or else of the best epoch."""
    scored, deciding = find_scores(folder), run["task"]["metrics"][0]
    splits = scored.splits if scored else metrics.get("scores", {})
    return {
        f"{split} {deciding}": f"{values[deciding]:.4f}"
        for split, values in splits.items()
        if isinstance(values.get(deciding), int | float)
    }
