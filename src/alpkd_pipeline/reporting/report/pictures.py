"""Sections 4 and 5: seeds as dots, and learning curves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.curves import TERMS, mean_losses, mean_scores
from alpkd_pipeline.reporting.plots.canvas import svg
from alpkd_pipeline.reporting.plots.learning import Curve, loss_curves, score_curves
from alpkd_pipeline.reporting.plots.seeds import seed_dots
from alpkd_pipeline.reporting.report.blocks import (
    Block,
    Body,
    Cell,
    Column,
    Facts,
    Heading,
    Legend,
    Plate,
    Plates,
    Section,
    Table,
    text,
)
from alpkd_pipeline.reporting.report.sources import Place, Sources
from alpkd_pipeline.reporting.report.words import anchor, depth, known, listed, number, points
from alpkd_pipeline.reporting.statistics.summary import scale
from alpkd_pipeline.reporting.statistics.verdict import best_of
from alpkd_pipeline.reporting.store import RunRecord

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


_COLUMNS = (
    Column("method"),
    Column("task"),
    Column("layers", True),
    Column("seed", True),
    Column("teacher's seed", True),
    Column("score", True),
    Column("seconds", True),
    Column("folder"),
    Column("key"),
    Column("commit"),
    Column("in MLflow", title="paste this into the search field of MLflow's runs"),
)


def runs_section(sources: Sources) -> Section:
    """Teachers, then students by depth, method and task; then where the methods come from."""
    students = _students(sources)
    blocks: list[Block] = [text("Every number above leads here.")]
    teachers = _teachers(sources)
    if teachers:
        blocks += [Heading("Teachers"), _table("Teachers", [Body(teachers)], "list-of-teachers")]
    count = sum(len(body.rows) for body in students)
    blocks += [
        Heading("Students"),
        _table(
            f"{plural(count, 'student')}, by depth, method and task", students, "list-of-students"
        ),
        Heading("Methods"),
        Facts([(name, (Cell(_source(name)),)) for name in sources.methods]),
    ]
    return Section("runs", "The runs", blocks)


def _table(caption: str, bodies: list[Body], name: str) -> Table:
    return Table(caption, _COLUMNS, bodies, id=name, tools=name == "list-of-students")


def _students(sources: Sources) -> list[Body]:
    """One body for each arm; the first of a method carries the method's heading."""
    bodies = []
    arms = {(int(a["layers"]), str(a["label"]), str(a["task"])): a for a in sources.arms}
    for layers in sources.depths:
        for label in sources.labels[layers]:
            name, heading_id = f"{label}, {depth(layers)}", sources.label_id(layers, label)
            for task in sources.tasks:
                arm = arms.get((layers, label, task))
                if arm is not None:
                    rows = [_student(sources, key) for key in _by_seed(sources, arm["runs"])]
                    bodies.append(Body(rows, anchor("arm", arm["arm"]), name, "", heading_id))
                    name = heading_id = ""
    return bodies


def _by_seed(sources: Sources, keys: list[str]) -> list[str]:
    students = sources.evidence.students
    return sorted(keys, key=lambda key: int(students[key].run["params"]["seed"]))


def _student(sources: Sources, key: str) -> list[Cell]:
    record = sources.evidence.students[key]
    params = record.run["params"]
    layers, teacher = params["student"]["layers"], params["teacher"].get("seed")
    return _run(sources, record, params["method"]["name"], layers, params["seed"], teacher)


def _teachers(sources: Sources) -> list[list[Cell]]:
    wanted = set(sources.cells["teacher_key"])
    found = [t for t in sources.evidence.teachers.values() if t.key in wanted]
    found.sort(key=lambda teacher: teacher.path.as_posix())
    rows = []
    for teacher in found:
        layers = teacher.run["identity"].get("teacher_layers")
        seed = teacher.run["params"]["teacher"].get("seed")
        model = str(teacher.run["params"]["teacher"].get("model"))
        rows.append(_run(sources, teacher, model, layers, seed, seed, mark=False))
    return rows


def _run(
    sources: Sources,
    record: RunRecord,
    name: str,
    layers: Any,
    seed: Any,
    teacher_seed: Any,
    mark: bool = True,
) -> list[Cell]:
    seconds = known(record.metrics.get("seconds"))
    commit = str((record.run.get("provenance") or {}).get("git_commit") or "unknown")
    path = record.path.relative_to(sources.evidence.store).as_posix()
    return [
        Cell(name, mark=name if mark else "", id=anchor("run", record.key)),
        Cell(str(record.run["task"]["name"])),
        Cell("?" if layers is None else str(layers)),
        Cell(str(seed)),
        Cell("?" if teacher_seed is None else str(teacher_seed)),
        Cell(points(record.deciding_score, 2, record.deciding_metric)),
        Cell(number(seconds, 0)),
        Cell(path, tone="code"),
        Cell(record.key[:12], tone="code", title=record.key),
        Cell(commit[:8], tone="code", title=commit),
        Cell(f"tags.key = '{record.key}'", tone="code"),
    ]


def _source(method: str) -> str:
    row = METHODS.get(method)
    return f"{row.summary} {row.source}." if row else "a method of this project's users"
