"""The sections that are pictures: seeds, learning curves, size and speed, and where layers lie."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.reporting.formats import scale
from alpkd_pipeline.reporting.plots import layers, scores
from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.render import Block, Heading, Legend, Plate
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.arms import Row, TaskDepth
from alpkd_pipeline.reporting.statistics.verdict import best_of
from alpkd_pipeline.reporting.store import TERMS, mean_losses, mean_scores
from alpkd_pipeline.reporting.tables.measures import timed_alike
from alpkd_pipeline.reporting.tables.table import depth, listed, number_or_none, points

if TYPE_CHECKING:
    import pandas as pd


def _plates(
    sources: Sources, kind: str, draw: Callable[[Sources, TaskDepth, str], Iterator[Plate]]
) -> list[Plate]:
    """The pictures of every task and depth; `draw` gets a name for them."""
    task_depths = enumerate(sources.task_depths)
    return [plate for i, at in task_depths for plate in draw(sources, at, f"{kind}-{i}")]


def seeds(sources: Sources) -> Iterator[Block]:
    """A picture for each task and depth."""
    yield (
        "Each dot is one seed (where a seed was run under several teachers, the mean over them),"
        " the short line the mean, the dashed line the mean of the teachers. Scales differ from"
        " picture to picture."
    )
    yield _plates(sources, "seeds", _seeds)


def _seeds(sources: Sources, at: TaskDepth, name: str) -> Iterator[Plate]:
    arms, title = sources.by_task_depth[at], sources.title(at)
    best = best_of(arms)
    metric = str(best["metric"])
    label = (
        f"Scores of every seed on {title}: {plural(len(arms), 'method')};"
        f" best mean {points(best['mean'], metric=metric)} by {best['label']}"
    )
    figure = scores.seed_dots(arms, sources.teacher_scores(at), scale(metric))
    yield Plate(svg(figure, name, label), title)


def curves(sources: Sources) -> Iterator[Block]:
    """Scores and losses over the epochs, for each task and depth with an event log."""
    of_scores, of_losses = _plates(sources, "curve", _scores), _plates(sources, "loss", _losses)
    if not of_scores and not of_losses:
        yield "No event log of these runs could be read."
        return
    yield (
        "Thick lines are means over seeds, faint lines the seeds themselves, the dashed line the"
        " teachers' final score. Scores are those of the rows that chose the best epoch."
    )
    yield Legend(sources.marks)
    yield of_scores
    if of_losses:
        yield "Terms of the training loss before their weights, means over seeds."
        yield of_losses


def _scores(sources: Sources, at: TaskDepth, name: str) -> Iterator[Plate]:
    lines = []
    for arm in sources.by_task_depth[at]:
        runs = [run for key in arm["runs"] if (run := sources.curves[key]).scores]
        if runs:
            of_seeds = [run.scores for run in runs] if len(runs) > 1 else []
            lines.append(scores.Curve(sources.marks[arm["label"]], mean_scores(runs), of_seeds))
    if lines:
        chosen_on = listed(sorted(sources.runs_at(at)["selection"].dropna().unique()))
        title = sources.title(at)
        label = f"Score on {chosen_on} at each evaluation, {title}, {plural(len(lines), 'line')}"
        unit = scale(sources.by_task_depth[at][0]["metric"])
        figure = scores.score_curves(lines, sources.teacher_scores(at), unit)
        yield Plate(svg(figure, name, label), title)


def _losses(sources: Sources, at: TaskDepth, name: str) -> Iterator[Plate]:
    terms: dict[str, list[scores.Curve]] = defaultdict(list)
    for term in TERMS:
        for arm in sources.by_task_depth[at]:
            if line := mean_losses([sources.curves[key] for key in arm["runs"]], term):
                terms[term].append(scores.Curve(sources.marks[arm["label"]], line))
    if terms:
        title = sources.title(at)
        label = f"Training loss, {title}: {listed(terms)}"
        yield Plate(svg(scores.loss_curves(terms), name, label), title)


def sizes(sources: Sources) -> Iterator[Block]:
    """A picture for each task against parameters, and against latency where it was measured."""
    yield (
        "Mean scores over seeds. The points of a method are its depths, joined by a line; the star"
        " is the teacher."
    )
    yield Legend(sources.marks)
    by_size = [*_trades(sources, sources.experiments, "parameters", "million parameters", 1e-6)]
    if by_size:
        yield from (Heading("Parameters"), by_size)
    alike = timed_alike(sources.experiments)
    by_time = list(_trades(sources, alike, "latency_ms", "milliseconds for one example", 1.0))
    if not by_time:
        yield "No latency was measured; `kedro run --pipeline=evaluate` does it."
        return
    yield Heading("Latency")
    yield (
        "Median time for one example in milliseconds, from token ids in memory to logits. Seed and"
        " method do not change the time of a forward pass, so students of one task, depth, width"
        " and teacher share one measurement where not each was timed. Times of different machines,"
        " devices or numbers of threads are not compared: of each task only those taken where most"
        " were."
    )
    yield by_time


def _trades(
    sources: Sources, experiments: pd.DataFrame, column: str, axis: str, unit: float
) -> Iterator[Plate]:
    """A picture for each task, with a line for each configuration over the depths that it has."""
    costs = experiments.groupby("arm")[column].mean() * unit
    kind = "time" if column == "latency_ms" else "size"
    for i, task in enumerate(sources.tasks):
        lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for arm in sources.arms:
            cost = number_or_none(costs.get(arm["arm"]))
            if arm["task"] == task and cost is not None:
                lines[sources.marks[arm["label"]]].append((cost, float(arm["mean"])))
        if not lines:
            continue
        trades = [scores.Curve(mark, sorted(at)) for mark, at in lines.items()]
        here = experiments[experiments["task"] == task]
        measured = sources.experiments[sources.experiments["task"] == task][column].count()
        unlike = int(measured - here[column].count())
        note = f"{plural(unlike, 'student')} timed on another machine or setup left out"
        star = _teacher(here, column, unit)
        figure = scores.score_against(trades, axis, star, scale(here["metric"].iloc[0]))
        label = f"Score on {task} against {axis}, {plural(len(trades), 'line')}"
        yield Plate(svg(figure, f"{kind}-{i}", label), task, note if unlike else "")


def _teacher(here: pd.DataFrame, column: str, unit: float) -> tuple[float, float] | None:
    """The mean cost and score of a task's teachers, each once, however many students it has."""
    if column == "parameters":
        costs = here["teacher_parameters"].astype("float64")
    else:
        costs = here["latency_ms"] * here["speed_up"]
    by_teacher = here.assign(cost=costs).groupby("teacher_key")[["teacher_score", "cost"]].mean()
    score, cost = (number_or_none(value) for value in by_teacher.mean())
    return None if score is None or cost is None else (cost * unit, score)


def attention(sources: Sources) -> Iterator[Block]:
    """The maps of each task and depth whose runs have attention."""
    if plates := _plates(sources, "attention", _attention):
        yield (
            "Mean weights of each student layer (rows) over the teacher's layers (columns) on the"
            " validation rows, averaged over seeds. The largest weight of a row is written out; a"
            " dot is a layer that the row may not look at. Beside each row stands its entropy as a"
            " share of the largest possible one, ln|A(j)|: 0 % copies one teacher layer for each"
            " example, 100 % is a plain average."
        )
        yield plates


def _attention(sources: Sources, at: TaskDepth, name: str) -> Iterator[Plate]:
    by_shape: dict[tuple[int, ...], list[layers.Attention]] = defaultdict(list)
    for arm in sources.by_task_depth[at]:
        found: list[Any] = [run.metrics.get("attention") for run in sources.students(arm)]
        # The mean is over all runs of an arm, or there is none.
        if all(found) and len({np.shape(attention["weights"]) for attention in found}) == 1:
            with suppress(UserError):  # nothing can be drawn of a training that diverged
                mean = layers.mean_attention(str(arm["label"]), found)
                by_shape[mean.weights.shape].append(mean)
    title = sources.title(at)
    for j, maps in enumerate(by_shape.values()):
        looks = "; ".join(
            f"{m.label} {', '.join(str(k + 1) for k in m.weights.argmax(axis=1))}" for m in maps
        )
        label = f"Attention on {title}; teacher layers with the largest weights: {looks}"
        copies = "; ".join(filter(None, map(_copies, maps)))
        yield Plate(svg(layers.attention_maps(maps), f"{name}-{j}", label), title, copies)


ONE_HOT = 0.95  # with at least this weight a student layer follows one teacher layer, fuses none
HARDLY = 0.1  # with a smaller mean share of the largest entropy next to nothing is fused


def _copies(attention: layers.Attention) -> str:
    """Which student layers of a method follow a single teacher layer, in words."""
    shares = [share for share in attention.shares if share is not None]
    if shares and (mean := float(np.mean(shares))) < HARDLY:
        weights, mostly = attention.weights, [int(k) + 1 for k in attention.weights.argmax(axis=1)]
        to = f"one teacher layer an example, most often {listed(map(str, mostly))}"
        if len({*mostly}) == 1 and weights.max(axis=1).min() >= ONE_HOT:
            to = f"everything to teacher layer {mostly[0]}"
        return (
            f"{attention.label}: the mean entropy is {mean:.0%} of the largest possible one, so the"
            f" attention fuses next to nothing: in effect it is {to}"
        )
    rows = [
        f"layer {j} follows teacher layer {weights.argmax() + 1} alone"
        for j, weights in enumerate(attention.weights, start=1)
        if weights.max() >= ONE_HOT
    ]
    return f"{attention.label}: {listed(rows)}" if rows else ""


def geometry(sources: Sources) -> Iterator[Block]:
    """Planes and distances for each task and depth that was looked at."""
    planes, distances = _plates(sources, "plane", _plane), _plates(sources, "distance", _distances)
    if not planes and not distances:
        yield (
            "The layers of these students have not been looked at;"
            " `kedro run --pipeline=evaluate` does it."
        )
        return
    yield (
        "Mean pooled states of the layers on dev rows, in the plane in which the states of the"
        " teacher's layers spread most; the first and the last layer carry their numbers, the star"
        " is the teacher. One student of each method, the one that was measured."
    )
    yield from (Legend(sources.marks), planes, Heading("Distances"))
    yield (
        "Cosine distance of each student layer (rows) to the teacher's layers (columns): the"
        " nearer, the stronger the shade; a dot marks the nearest."
    )
    yield distances


def _measured(sources: Sources, at: TaskDepth, what: str) -> Iterator[tuple[Row, layers.Geometry]]:
    """The arms of which something was measured, and the geometry of one of their students."""
    for arm in sources.by_task_depth[at]:
        # That of its lowest seed which has one.
        seen = next((run.geometry for run in sources.students(arm) if run.geometry), {})
        if seen.get(what):
            yield arm, seen


def _plane(sources: Sources, at: TaskDepth, name: str) -> Iterator[Plate]:
    if measured := list(_measured(sources, at, "pca")):
        # Planes of different teachers are different planes: only one can be drawn.
        first = measured[0][1]["pca"]["teacher_means"]
        same = [(arm, one) for arm, one in measured if _close(one["pca"]["teacher_means"], first)]
        title, other = sources.title(at), len(measured) - len(same)
        label = f"Layers of {plural(len(same), 'student')} and the teacher on {title}, in a plane"
        note = f"{plural(other, 'student')} of another teacher not shown" if other else ""
        figure = layers.layer_plane([(sources.marks[arm["label"]], one) for arm, one in same])
        yield Plate(svg(figure, name, label), title, note)


def _close(one: Any, other: Any) -> bool:
    """Whether two planes are one, but for the last digits that other threads give."""
    return np.shape(one) == np.shape(other) and np.allclose(one, other, atol=1e-3)


def _distances(sources: Sources, at: TaskDepth, name: str) -> Iterator[Plate]:
    by_shape: dict[tuple[int, ...], list[tuple[Row, layers.Geometry]]] = defaultdict(list)
    for arm, seen in _measured(sources, at, "cosine_distance"):
        by_shape[np.shape(seen["cosine_distance"])].append((arm, seen))
    for j, (shape, alike) in enumerate(by_shape.items()):
        # Teachers of two depths have maps of two widths: a plate for each.
        one = len(by_shape) == 1
        title = sources.title(at) if one else f"{at[0]}, {depth(at[1], shape[-1])}"
        nearest = "; ".join(
            f"{arm['label']} {', '.join(map(str, seen.get('nearest') or []))}"
            for arm, seen in alike
        )
        label = f"Nearest teacher layers on {title}: {nearest}"
        figure = layers.layer_distances([(str(arm["label"]), seen) for arm, seen in alike])
        yield Plate(svg(figure, f"{name}-{j}", label), title)
