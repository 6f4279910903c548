"""Sections 4 and 5: seeds as dots, and learning curves."""

from __future__ import annotations

from collections.abc import Callable

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.curves import TERMS, mean_losses, mean_scores
from alpkd_pipeline.reporting.numbers import scale
from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.plots.learning import Curve, loss_curves, score_curves
from alpkd_pipeline.reporting.plots.seeds import seed_dots
from alpkd_pipeline.reporting.report.blocks import Legend, Plate, Plates, Section, text
from alpkd_pipeline.reporting.report.sources import Place, Sources
from alpkd_pipeline.reporting.report.words import depth, listed, points
from alpkd_pipeline.reporting.statistics.best import best_of

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


def seed_section(sources: Sources) -> Section:
    """A picture for each task and depth."""

    def draw(place: Place, name: str) -> Plate:
        arms, teachers = sources.by_place[place], sources.teacher_scores(*place)
        best, title = best_of(arms), _title(sources, place)
        metric = str(best["metric"])
        label = (
            f"Scores of every seed on {title}: {plural(len(arms), 'method')};"
            f" best mean {points(best['mean'], metric=metric)} by {best['label']}"
        )
        return Plate(svg(seed_dots(arms, teachers, scale(metric)), name, label), title)

    return Section("seeds", "Seeds", [text(_SEEDS), _plates(sources, "seeds", draw)])


def curve_section(sources: Sources) -> Section:
    """Scores and losses over the epochs, for each task and depth with a journal."""
    scores = _plates(sources, "curve", lambda p, name: _scores(sources, p, name))
    losses = _plates(sources, "loss", lambda p, name: _losses(sources, p, name))
    if not scores.plates and not losses.plates:
        nothing = "No journal of these runs could be read."
        return Section("curves", "Learning curves", [text(nothing)])
    return Section(
        "curves",
        "Learning curves",
        [text(_CURVES), Legend(sources.methods, lines=True), scores, text(_LOSSES), losses],
    )


def _scores(sources: Sources, place: Place, name: str) -> Plate | None:
    curves = []
    for arm in sources.by_place[place]:
        runs = [run for key in arm["runs"] if (run := sources.curves[key]).scores]
        if runs:
            seeds = [run.scores for run in runs] if len(runs) > 1 else []
            curves.append(Curve(str(arm["method"]), mean_scores(runs), seeds))
    if not curves:
        return None
    chosen_on = listed(sources.chosen_on(*place))
    label = (
        f"Score on {chosen_on} at each evaluation, {_title(sources, place)},"
        f" {plural(len(curves), 'line')}"
    )
    unit = scale(sources.by_place[place][0]["metric"])
    figure = score_curves(curves, sources.teacher_scores(*place), unit)
    return Plate(svg(figure, name, label), _title(sources, place))


def _losses(sources: Sources, place: Place, name: str) -> Plate | None:
    terms: dict[str, list[Curve]] = {}
    for arm in sources.by_place[place]:
        runs = [sources.curves[key] for key in arm["runs"]]
        for term in TERMS:
            line = mean_losses(runs, term)
            if line:
                terms.setdefault(term, []).append(Curve(str(arm["method"]), line))
    if not terms:
        return None
    ordered = {term: terms[term] for term in TERMS if term in terms}
    label = f"Training loss, {_title(sources, place)}: {listed(ordered)}"
    return Plate(svg(loss_curves(ordered), name, label), _title(sources, place))


def _title(sources: Sources, place: Place) -> str:
    task, layers = place
    return f"{task}, {depth(layers, sources.teacher_layers(layers))}"


def _plates(sources: Sources, kind: str, draw: Callable[[Place, str], Plate | None]) -> Plates:
    drawn = (draw(place, f"{kind}-{i}") for i, place in enumerate(sources.places))
    return Plates([plate for plate in drawn if plate is not None])
