"""The sections that are pictures: seeds, learning curves, size and speed, and where layers lie."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.reporting.curves import TERMS, mean_losses, mean_scores
from alpkd_pipeline.reporting.formats import scale
from alpkd_pipeline.reporting.plots import layers, scores
from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.render.html import Block, Heading, Legend, Plate, Plates, Section
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.best import best_of
from alpkd_pipeline.reporting.statistics.pairing import Place, Row
from alpkd_pipeline.reporting.tables.measures import timed_alike
from alpkd_pipeline.reporting.tables.table import depth, known, listed, points

if TYPE_CHECKING:
    import pandas as pd


_SEEDS = (
    "Each dot is one seed (where a seed was run under several teachers, the mean over them), the"
    " short line the mean, the dashed line the mean of the teachers. Scales differ from picture to"
    " picture."
)
_CURVES = (
    "Thick lines are means over seeds, faint lines the seeds themselves, the dashed line the"
    " teachers' final score. Scores are those of the rows that chose the best epoch."
)
_LOSSES = "Terms of the training loss before their weights, means over seeds."
_SIZE = (
    "Mean scores over seeds. The points of a method are its depths, joined by a line; the star is"
    " the teacher."
)
_LATENCY = (
    "Median time for one example in milliseconds, from token ids in memory to logits. Seed and"
    " method do not change the time of a forward pass, so students of one task, depth, width and"
    " teacher share one measurement where not each was timed. Times of different machines, devices"
    " or numbers of threads are not compared: of each task only those taken where most were."
)


def _plates(
    sources: Sources, kind: str, draw: Callable[[Sources, Place, str], Plate | None]
) -> Plates:
    """A picture for each task and depth that has one."""
    drawn = (draw(sources, place, f"{kind}-{i}") for i, place in enumerate(sources.places))
    return Plates([plate for plate in drawn if plate is not None])


def seed_section(sources: Sources) -> Section:
    """A picture for each task and depth."""
    return Section("seeds", "Seeds", [_SEEDS, _plates(sources, "seeds", _seeds)])


def _seeds(sources: Sources, place: Place, name: str) -> Plate:
    arms, title = sources.by_place[place], sources.title(place)
    best = best_of(arms)
    metric = str(best["metric"])
    label = (
        f"Scores of every seed on {title}: {plural(len(arms), 'method')};"
        f" best mean {points(best['mean'], metric=metric)} by {best['label']}"
    )
    figure = scores.seed_dots(arms, sources.teacher_scores(place), scale(metric))
    return Plate(svg(figure, name, label), title)


def curve_section(sources: Sources) -> Section:
    """Scores and losses over the epochs, for each task and depth with a journal."""
    scores, losses = _plates(sources, "curve", _scores), _plates(sources, "loss", _losses)
    blocks: list[Block] = [_CURVES, Legend(sources.methods), scores]
    blocks += [_LOSSES, losses] if losses.plates else []
    if not scores.plates and not losses.plates:
        blocks = ["No journal of these runs could be read."]
    return Section("curves", "Learning curves", blocks)


def _scores(sources: Sources, place: Place, name: str) -> Plate | None:
    curves = []
    for arm in sources.by_place[place]:
        runs = [run for key in arm["runs"] if (run := sources.curves[key]).scores]
        if runs:
            seeds = [run.scores for run in runs] if len(runs) > 1 else []
            curves.append(scores.Curve(str(arm["method"]), mean_scores(runs), seeds))
    if not curves:
        return None
    chosen_on = listed(sorted(sources.runs_at(place)["selection"].dropna().unique()))
    title = sources.title(place)
    label = f"Score on {chosen_on} at each evaluation, {title}, {plural(len(curves), 'line')}"
    unit = scale(sources.by_place[place][0]["metric"])
    return Plate(
        svg(scores.score_curves(curves, sources.teacher_scores(place), unit), name, label), title
    )


def _losses(sources: Sources, place: Place, name: str) -> Plate | None:
    terms: dict[str, list[scores.Curve]] = {}
    for term in TERMS:
        for arm in sources.by_place[place]:
            line = mean_losses([sources.curves[key] for key in arm["runs"]], term)
            if line:
                terms.setdefault(term, []).append(scores.Curve(str(arm["method"]), line))
    if not terms:
        return None
    title = sources.title(place)
    return Plate(
        svg(scores.loss_curves(terms), name, f"Training loss, {title}: {listed(terms)}"), title
    )


def size_section(sources: Sources) -> Section:
    """A picture for each task against parameters, and against latency where it was measured."""
    by_size = _trades(sources, sources.cells, "parameters", "million parameters", 1e-6)
    alike = timed_alike(sources.cells)
    by_time = _trades(sources, alike, "latency_ms", "milliseconds for one example", 1.0)
    blocks: list[Block] = [_SIZE, Legend(sources.methods)]
    blocks += [Heading("Parameters"), Plates(by_size)] if by_size else []
    blocks += (
        [Heading("Latency"), _LATENCY, Plates(by_time)]
        if by_time
        else ["No latency was measured; `kedro run --pipeline=evaluate` does it."]
    )
    return Section("size", "Score against size and speed", blocks)


def _trades(
    sources: Sources, cells: pd.DataFrame, column: str, axis: str, unit: float
) -> list[Plate]:
    """A picture for each task: a line for each method, or for each of its arms of one depth."""
    costs = cells.groupby("arm")[column].mean() * unit
    kind = "time" if column == "latency_ms" else "size"
    plates = []
    for i, task in enumerate(sources.tasks):
        lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for arm in sources.arms:
            cost = known(costs.get(arm["arm"]))
            if arm["task"] == task and cost is not None:
                name = (str(arm["method"]), str(arm["arm_differs"]))
                lines.setdefault(name, []).append((cost, float(arm["mean"])))
        if not lines:
            continue
        trades = [scores.Trade(n, *zip(*sorted(at), strict=True)) for (n, _), at in lines.items()]
        here = cells[cells["task"] == task]
        unlike = sources.cells[sources.cells["task"] == task][column].count() - here[column].count()
        said = f"{plural(int(unlike), 'student')} timed on another machine or setup left out"
        figure = scores.score_against(
            trades, axis, _teacher(here, column, unit), scale(here["metric"].iloc[0])
        )
        label = f"Score on {task} against {axis}, {len(trades)} methods"
        plates.append(Plate(svg(figure, f"{kind}-{i}", label), task, said if unlike else ""))
    return plates


def _teacher(here: pd.DataFrame, column: str, unit: float) -> tuple[float, float] | None:
    """The mean cost and score of a task's teachers, each once, however many students it has."""
    if column == "parameters":
        costs = here["teacher_parameters"].astype("float64")
    else:
        costs = here["latency_ms"] * here["speed_up"]
    by_teacher = here.assign(cost=costs).groupby("teacher_key")[["teacher_score", "cost"]].mean()
    score, cost = (known(value) for value in by_teacher.mean())
    return None if score is None or cost is None else (cost * unit, score)


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

Measured = tuple[Row, layers.Geometry]
"""An arm and the geometry of one of its students."""


def attention_section(sources: Sources) -> Section | None:
    """The maps of each task and depth whose runs have attention, or no section."""
    plates = []
    for i, place in enumerate(sources.places):
        title = sources.title(place)
        by_shape: dict[tuple[int, ...], list[layers.Attention]] = {}
        for arm in sources.by_place[place]:
            found: list[Any] = [run.metrics.get("attention") for run in sources.students(arm)]
            # The mean is over all runs of an arm, or there is none.
            if all(found) and len({np.shape(attention["weights"]) for attention in found}) == 1:
                with suppress(UserError):  # nothing can be drawn of a training that diverged
                    mean = layers.mean_attention(str(arm["label"]), found)
                    by_shape.setdefault(mean.weights.shape, []).append(mean)
        for j, maps in enumerate(by_shape.values()):
            most = [(m.label, [str(k + 1) for k in m.weights.argmax(axis=1)]) for m in maps]
            looks = "; ".join(f"{label} {', '.join(ks)}" for label, ks in most)
            label = f"Attention on {title}; teacher layers with the largest weights: {looks}"
            figure = layers.attention_maps(maps)
            copies = "; ".join(filter(None, map(_copies, maps)))
            plates.append(Plate(svg(figure, f"attention-{i}-{j}", label), title, copies))
    blocks: list[Block] = [_ATTENTION, Plates(plates)]
    return Section("attention", "Weights of ALP-KD", blocks) if plates else None


ONE_HOT = 0.95
"""With a weight of at least this much a student layer follows one teacher layer, and fuses none."""


def _copies(attention: layers.Attention) -> str:
    """Which student layers of a method follow a single teacher layer, in words."""
    rows = [
        f"layer {j} follows teacher layer {weights.argmax() + 1} alone"
        for j, weights in enumerate(attention.weights, start=1)
        if weights.max() >= ONE_HOT
    ]
    return f"{attention.label}: {listed(rows)}" if rows else ""


def geometry_section(sources: Sources) -> Section:
    """Planes and distances for each task and depth that was looked at."""
    planes, distances = [], []
    for i, place in enumerate(sources.places):
        found: list[Measured] = []
        for arm in sources.by_place[place]:
            # That of its lowest seed which has one.
            seen = [run.geometry for run in sources.students(arm) if run.geometry]
            found += [(arm, geometry) for geometry in seen[:1]]
        drawn = [(arm, geometry) for arm, geometry in found if geometry.get("pca")]
        if drawn:
            planes.append(_plane(drawn, sources.title(place), f"plane-{i}"))
        by_shape: dict[tuple[int, ...], list[Measured]] = {}
        for arm, geometry in found:
            if geometry.get("cosine_distance"):
                shape = np.shape(geometry["cosine_distance"])
                by_shape.setdefault(shape, []).append((arm, geometry))
        for j, (shape, alike) in enumerate(by_shape.items()):
            # Teachers of two depths have maps of two widths: a plate for each.
            one = len(by_shape) == 1
            title = sources.title(place) if one else f"{place[0]}, {depth(place[1], shape[-1])}"
            nearest = "; ".join(
                f"{arm['label']} {', '.join(map(str, geometry.get('nearest') or []))}"
                for arm, geometry in alike
            )
            label = f"Nearest teacher layers on {title}: {nearest}"
            figure = layers.layer_distances([(str(arm["label"]), g) for arm, g in alike])
            distances.append(Plate(svg(figure, f"distance-{i}-{j}", label), title))
    blocks: list[Block] = [_PLANE, Legend(sources.methods), Plates(planes)]
    blocks += [Heading("Distances"), _DISTANCES, Plates(distances)]
    if not planes and not distances:
        blocks = [_NO_GEOMETRY]
    return Section("geometry", "Where the layers lie", blocks)


def _plane(found: list[Measured], title: str, name: str) -> Plate:
    # Planes of different teachers are different planes: only one can be drawn.
    first = found[0][1]["pca"]["teacher_means"]
    same = [(arm, seen) for arm, seen in found if _close(seen["pca"]["teacher_means"], first)]
    label = f"Layers of {plural(len(same), 'student')} and the teacher on {title}, in a plane"
    other = len(found) - len(same)
    note = f"{plural(other, 'student')} of another teacher not shown" if other else ""
    figure = layers.layer_plane([(str(arm["method"]), seen) for arm, seen in same])
    return Plate(svg(figure, name, label), title, note)


def _close(ours: Any, theirs: Any) -> bool:
    """Whether two planes are one, but for the last digits that other threads give."""
    return np.shape(ours) == np.shape(theirs) and np.allclose(ours, theirs, atol=1e-3)
