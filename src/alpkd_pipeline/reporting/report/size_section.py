"""Section 6: what size and speed cost in score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.numbers import scale
from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.plots.size import Trade, score_against
from alpkd_pipeline.reporting.report.blocks import (
    Block,
    Heading,
    Legend,
    Plate,
    Plates,
    Section,
    text,
)
from alpkd_pipeline.reporting.report.sources import Sources
from alpkd_pipeline.reporting.report.words import known
from alpkd_pipeline.reporting.tables.model_size import timed_alike

if TYPE_CHECKING:
    import pandas as pd

_INTRO = (
    "Mean scores over seeds. The points of a method are its depths, joined by a line; the star is"
    " the teacher."
)
_LATENCY = (
    "Median time for one example in milliseconds, from token ids in memory to logits. Seed and"
    " method do not change the time of a forward pass, so students of one task, depth, width and"
    " teacher share one measurement where not each was timed. Times of different machines, devices"
    " or numbers of threads are not compared: of each task only those taken where most were."
)


def size_section(sources: Sources) -> Section:
    """A picture for each task against parameters, and against latency where it was measured."""
    by_size = _plates(sources, sources.cells, "parameters", "size", "million parameters", 1e-6)
    alike = timed_alike(sources.cells)
    by_time = _plates(sources, alike, "latency_ms", "time", "milliseconds for one example", 1.0)
    blocks: list[Block] = [text(_INTRO), Legend(sources.methods, lines=True)]
    blocks += [Heading("Parameters"), Plates(by_size)] if by_size else []
    if by_time:
        blocks += [Heading("Latency"), text(_LATENCY), Plates(by_time)]
    else:
        blocks.append(text("No latency was measured; `kedro run --pipeline=evaluate` does it."))
    return Section("size", "Score against size and speed", blocks)


def _left_out(sources: Sources, alike: pd.DataFrame, task: str) -> str:
    """How many students of a task were timed elsewhere than most."""
    was = sources.cells[sources.cells["task"] == task]["latency_ms"].notna().sum()
    count = int(was - alike[alike["task"] == task]["latency_ms"].notna().sum())
    return f"{plural(count, 'student')} timed on another machine or setup left out" if count else ""


def _plates(
    sources: Sources, cells: pd.DataFrame, column: str, kind: str, axis: str, unit: float
) -> list[Plate]:
    costs = cells.groupby("arm")[column].mean()
    plates = []
    for i, task in enumerate(sources.tasks):
        trades = _trades(sources, task, costs * unit)
        if trades:
            here = cells[cells["task"] == task]
            teacher = _teacher(here, column, unit)
            label = f"Score on {task} against {axis}, {len(trades)} methods"
            figure = score_against(trades, axis, teacher, scale(here["metric"].iloc[0]))
            note = _left_out(sources, cells, task) if column == "latency_ms" else ""
            plates.append(Plate(svg(figure, f"{kind}-{i}", label), task, note))
    return plates


def _trades(sources: Sources, task: str, costs: Any) -> list[Trade]:
    """One line for each method, and one for each of its arms where a depth has several."""
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for arm in sources.arms:
        cost = known(costs.get(arm["arm"]))
        if arm["task"] == task and cost is not None:
            name = (str(arm["method"]), str(arm["arm_differs"]))
            lines.setdefault(name, []).append((cost, float(arm["mean"])))
    return [_trade(method, points) for (method, _), points in lines.items()]


def _trade(method: str, points: Sequence[tuple[float, float]]) -> Trade:
    cost, score = zip(*sorted(points), strict=True)
    return Trade(method, cost, score)


def _teacher(here: pd.DataFrame, column: str, unit: float) -> tuple[float, float] | None:
    """The mean cost and score of a task's teachers, each once, however many students it has."""
    if column == "parameters":
        costs = here["teacher_parameters"].astype("float64")
    else:
        costs = here["latency_ms"] * here["speed_up"]
    by_teacher = here.assign(cost=costs).groupby("teacher_key")[["teacher_score", "cost"]].mean()
    score, cost = (known(value) for value in by_teacher.mean())
    return None if score is None or cost is None else (cost * unit, score)
