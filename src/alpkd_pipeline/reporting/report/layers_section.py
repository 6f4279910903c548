"""Sections 7 and 8: the weights of ALP-KD, and where layers lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.plots.attention import Attention, attention_maps
from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.plots.geometry import Geometry, layer_distances, layer_plane
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
from alpkd_pipeline.reporting.report.sources import Place, Row, Sources
from alpkd_pipeline.reporting.report.words import depth, known
from alpkd_pipeline.reporting.statistics.summary import scale
from alpkd_pipeline.reporting.tables.model_size import timed_alike

if TYPE_CHECKING:
    import pandas as pd


_ATTENTION = (
    "Mean weights of each student layer (rows) over the teacher's layers (columns) on the"
    " selecting rows, averaged over seeds. The largest weight of a row is written out; a dot is a"
    " layer that the row may not look at. Beside each row stands its entropy as a share of the"
    " largest possible one, ln|A(j)|: 0 % copies one teacher layer for each example, 100 % is a"
    " plain average."
)
_PLANE = (
    "Mean pooled states of the layers on dev rows, in the plane in which the states of the"
    " teacher's layers spread most; the first and the last layer carry their numbers, the star is"
    " the teacher. One student of each method, the one that was measured."
)
_DISTANCES = (
    "Cosine distance of each student layer (rows) to the teacher's layers (columns): the nearer,"
    " the stronger the shade; a dot marks the nearest."
)
_NO_GEOMETRY = (
    "The layers of these students have not been looked at; `kedro run --pipeline=evaluate` does it."
)


def attention_section(sources: Sources) -> Section | None:
    """The maps of each task and depth whose runs have attention, or no section."""
    plates = []
    for i, place in enumerate(sources.places):
        by_shape: dict[tuple[int, ...], list[Attention]] = {}
        for arm in sources.by_place[place]:
            found = _attention(sources, arm)
            if found is not None:
                by_shape.setdefault(found.weights.shape, []).append(found)
        for j, maps in enumerate(by_shape.values()):
            plates.append(_maps(sources, place, maps, f"attention-{i}-{j}"))
    if not plates:
        return None
    return Section("attention", "Weights of ALP-KD", [text(_ATTENTION), Plates(plates)])


def _attention(sources: Sources, arm: Row) -> Attention | None:
    """The mean attention of the runs of an arm, if all have it in one shape."""
    students = sources.evidence.students
    found: list[Any] = [students[key].metrics.get("attention") for key in arm["runs"]]
    if not all(found) or len({np.shape(attention["weights"]) for attention in found}) != 1:
        return None
    weights, entropy, most = (
        np.mean([attention[name] for attention in found], axis=0)
        for name in ("weights", "entropy", "max_entropy")
    )
    shares = [float(e / m) if m > 0 else None for e, m in zip(entropy, most, strict=True)]
    return Attention(str(arm["label"]), weights, shares)


def _maps(sources: Sources, place: Place, maps: list[Attention], name: str) -> Plate:
    title = f"{place[0]}, {depth(place[1], sources.teacher_layers(place[1]))}"
    looks = "; ".join(f"{found.label} {_most(found.weights)}" for found in maps)
    label = f"Attention on {title}; teacher layers with the largest weights: {looks}"
    return Plate(svg(attention_maps(maps), name, label), title)


def _most(weights: np.ndarray) -> str:
    return ", ".join(str(int(k) + 1) for k in weights.argmax(axis=1))


def geometry_section(sources: Sources) -> Section:
    """Planes and distances for each task and depth that was looked at."""
    planes, distances = [], []
    for i, place in enumerate(sources.places):
        found = _geometries(sources, place)
        title = f"{place[0]}, {depth(place[1], sources.teacher_layers(place[1]))}"
        drawn = [(arm, g) for arm, g in found if g.get("pca")]
        if drawn:
            planes.append(_plane(drawn, title, f"plane-{i}"))
        far = [(arm, g) for arm, g in found if g.get("cosine_distance")]
        by_shape: dict[tuple[int, ...], list[tuple[Row, Geometry]]] = {}
        for arm, g in far:
            by_shape.setdefault(np.shape(g["cosine_distance"]), []).append((arm, g))
        for j, (shape, alike) in enumerate(by_shape.items()):
            # Teachers of two depths have maps of two widths: a plate for each.
            name = title if len(by_shape) == 1 else f"{place[0]}, {depth(place[1], shape[-1])}"
            distances.append(_distances(alike, name, f"distance-{i}-{j}"))
    if not planes and not distances:
        return Section("geometry", "Where the layers lie", [text(_NO_GEOMETRY)])
    blocks: list[Block] = [text(_PLANE), Legend(sources.methods, lines=True), Plates(planes)]
    blocks += [Heading("Distances"), text(_DISTANCES), Plates(distances)]
    return Section("geometry", "Where the layers lie", blocks)


def _distances(found: Sequence[tuple[Row, Geometry]], title: str, name: str) -> Plate:
    figure = layer_distances([(str(arm["label"]), g) for arm, g in found])
    label = f"Nearest teacher layers on {title}: {_nearest(found)}"
    return Plate(svg(figure, name, label), title)


def _geometries(sources: Sources, place: Place) -> list[tuple[Row, Geometry]]:
    """One geometry for each arm: that of its lowest seed which has one."""
    found = []
    for arm in sources.by_place[place]:
        records = [sources.evidence.students[key] for key in arm["runs"]]
        records.sort(key=lambda record: int(record.run["params"]["seed"]))
        seen = [record.geometry for record in records if record.geometry]
        if seen:
            found.append((arm, seen[0]))
    return found


def _plane(found: Sequence[tuple[Row, Geometry]], title: str, name: str) -> Plate:
    # Planes of different teachers are different planes: only one can be drawn.
    first = found[0][1]["pca"]["teacher_means"]
    same = [(arm, g) for arm, g in found if _close(g["pca"]["teacher_means"], first)]
    figure = layer_plane([(str(arm["method"]), g) for arm, g in same])
    label = f"Layers of {plural(len(same), 'student')} and the teacher on {title}, in a plane"
    other = len(found) - len(same)
    note = f"{plural(other, 'student')} of another teacher not shown" if other else ""
    return Plate(svg(figure, name, label), title, note)


def _close(ours: Any, theirs: Any) -> bool:
    """Whether two planes are one, but for the last digits that other threads give."""
    return np.shape(ours) == np.shape(theirs) and np.allclose(ours, theirs, atol=1e-3)


def _nearest(found: Sequence[tuple[Row, Geometry]]) -> str:
    return "; ".join(
        f"{arm['label']} {', '.join(str(layer) for layer in g.get('nearest') or [])}"
        for arm, g in found
    )


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
