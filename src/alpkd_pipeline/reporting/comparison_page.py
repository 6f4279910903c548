"""The comparison as a Markdown page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.report.sources import Row, Sources
from alpkd_pipeline.reporting.report.words import (
    MISSING,
    depth,
    interval,
    markdown_table,
    number,
    p_text,
    plus_minus,
    points,
    signed,
)
from alpkd_pipeline.reporting.statistics.summary import millions, score_text, seconds_text
from alpkd_pipeline.reporting.tables.average import AVERAGE, average_name
from alpkd_pipeline.reporting.tables.main import (
    ENOUGH_SEEDS,
    score_columns,
    students_table,
)
from alpkd_pipeline.reporting.tables.model_size import timed_alike

if TYPE_CHECKING:
    import pandas as pd


_MEANINGS = (
    "Difference: mean over shared seeds, in points. Interval: not corrected for other tests."
    " Detectable: the difference that these seeds show with probability 80 %.\n"
)
_SUMMARY_TEXT = ("task", "method", "against", "verdict")


def main_parts(sources: Sources) -> list[str]:
    """A table for each number of layers: methods against tasks, in percent."""
    parts = ["## Scores\n"]
    for layers in sources.depths:
        name = depth(layers, sources.teacher_layers(layers))
        table = sources.main[sources.main["layers"] == layers]
        parts += [f"### {name}\n", _main(table)]
    said = (
        "Dev scores in percent, mean ± sample standard deviation over seeds. Bold: better than"
        " every other method of the column by paired tests over seeds (Holm-corrected)."
    )
    if (sources.main["task"] == AVERAGE).any():
        said += (
            " Average: over the tasks that all students of the table have; rank: mean place among"
            " them, 1 is the best."
        )
    said += f"{sources.on_errors}\n"
    return [*parts, said]


def _main(table: pd.DataFrame) -> str:
    lines: list[Row] = table.to_dict("records")
    tasks = sorted({str(line["task"]) for line in lines} - {AVERAGE})
    over = [int(line["tasks"]) for line in lines if line["task"] == AVERAGE]
    averaged = [AVERAGE] if over else []
    rows: dict[int, dict[str, Row]] = {}
    for line in lines:
        rows.setdefault(int(line["row"]), {})[str(line["task"])] = line
    more = [average_name(over[0]), "rank"] if over else []
    headings = ["method", *tasks, *more]
    cells = []
    for row in rows.values():
        first = next(iter(row.values()))
        ranked = [number(row.get(AVERAGE, {}).get("rank"), 1)] if averaged else []
        scores = [_score(row.get(task)) for task in [*tasks, *averaged]]
        cells.append([str(first["label"]), *scores, *ranked])
    return markdown_table(headings, cells, right=headings[1:])


def _score(line: Row | None) -> str:
    if line is None:
        return MISSING
    text = plus_minus(line["mean"], line["std"], line["metric"])
    return f"**{text}**" if line["bold"] else text


def verdict_parts(sources: Sources) -> list[str]:
    """A table for each number of layers: every method against every baseline."""
    parts = ["## Verdicts\n"] if not sources.verdicts.empty else []
    for layers in sources.depths:
        rows: list[Row] = sources.verdicts[sources.verdicts["layers"] == layers].to_dict("records")
        if rows:
            name = depth(layers, sources.teacher_layers(layers))
            rows.sort(key=lambda row: (str(row["task"]), sources.rank(row)))
            parts += [f"### {name}\n", _verdicts(rows), f"{rows[0]['family']}.\n"]
    return [*parts, _MEANINGS] if parts else []


def _verdicts(rows: list[Row]) -> str:
    cells = [
        {
            "task": str(row["task"]),
            "method": str(row["label"]),
            "against": str(row["baseline_label"]),
            "verdict": str(row["verdict"]),
            "seeds": str(int(row["n"])),
            "difference": signed(row["difference"], row["metric"]),
            "95 % interval": interval(row["low"], row["high"], row["metric"]),
            "p (Holm)": p_text(row["p_holm"]),
            "detectable": points(row["detectable"], metric=row["metric"]),
        }
        for row in rows
    ]
    headings = list(cells[0])
    table = [[row[name] for name in headings] for row in cells]
    return markdown_table(headings, table, right=[h for h in headings if h not in _SUMMARY_TEXT])


_TEXT = ("method", "teacher", "spread over", "differs", "run")
_OF_RUNS = (
    "seed",
    "layers",
    "teacher_layers",
    "teacher",
    "teacher_key",
    "teacher_score",
    "parameters",
    "seconds",
    "speed_up",
)


def comparison_page(sources: Sources) -> str:
    """Scores and verdicts, then a section for each task with each run; notes at the end.

    Args:
        sources: the evidence of a store.
    """
    cells = sources.evidence.cells
    parts = ["# Comparison of students\n"]
    if cells.empty:
        parts.append("No student has been trained and scored yet.\n")
    else:
        parts += [*main_parts(sources), *verdict_parts(sources)]
    for task, of_task in cells.groupby("task"):
        section = _arm_section(sources, str(task), of_task)
        parts += [f"## {task}\n", section, _student_section(of_task)]
    parts.append(_notes(sources))
    return "\n".join(part for part in parts if part)


def _arm_section(sources: Sources, task: str, cells: pd.DataFrame) -> str:
    """The means that the verdicts compare: one row for each arm, over all of its seeds."""
    arms = [arm for arm in sources.arms if arm["task"] == task]
    if not arms:
        return ""
    scores = [name for name in score_columns(cells) if cells[name].notna().any()]
    # Only what a row says: the frame of all runs is wide, and each arm copies its part of it.
    alike = timed_alike(cells).set_index("key")[[*_OF_RUNS, *scores]]
    rows = [_arm_row(arm, alike.loc[arm["runs"]], scores) for arm in arms]
    return f"### Means over seeds\n\n{_table(rows)}\n{_seed_line([arm['n'] for arm in arms])}"


def _arm_row(arm: Row, runs: pd.DataFrame, scores: list[str]) -> dict[str, str]:
    teachers = runs.drop_duplicates("teacher_key")
    names = list(dict.fromkeys(teachers["teacher"].astype(str)))
    # Every score as the deciding one is: a seed counts once, whatever the number of its teachers.
    by_seed = runs.groupby("seed")[scores].mean()
    return {
        "method": str(arm["method"]),
        "layers": _depth(runs.iloc[0].to_dict()),
        "seeds": str(arm["n"]),
        **{name: _mean_std(by_seed[name].mean(), by_seed[name].std()) for name in scores},
        "teacher": names[0] if len(names) == 1 else f"{len(names)} teachers",
        "teacher's score": score_text(_known(teachers["teacher_score"].mean())),
        "parameters": millions(_known(runs["parameters"].astype("float64").mean())),
        "seconds": seconds_text(_known(runs["seconds"].mean())),
        "speed-up": _times(_known(runs["speed_up"].mean())),
        "spread over": str(arm["spread"]),
        "differs": str(arm["arm_differs"]),
    }


def _student_section(cells: pd.DataFrame) -> str:
    students = students_table(cells)
    scores = score_columns(students)
    rows = [
        {
            "method": row["method"],
            "layers": _depth(row),
            "seed": str(row["seed"]),
            **{name: score_text(row[name]) for name in scores},
            **_shared(row),
            "differs": row["arm_differs"],
            "run": row["path"].rpartition("/")[2],
        }
        for row in students.to_dict("records")
    ]
    return f"### Each student\n\n{_table(rows)}"


def _shared(row: dict[Any, Any]) -> dict[str, str]:
    return {
        "teacher": str(row["teacher"]),
        "teacher's score": score_text(_known(row.get("teacher_score"))),
        "parameters": millions(_known(row.get("parameters"))),
        "seconds": seconds_text(_known(row.get("seconds"))),
        "speed-up": _times(_known(row.get("speed_up"))),
    }


def _table(rows: list[dict[str, str]]) -> str:
    """A table of the columns in which something is said."""
    headings = [name for name in rows[0] if any(row[name] not in {"", "-"} for row in rows)]
    return markdown_table(
        headings,
        [[row[name] for name in headings] for row in rows],
        right=[name for name in headings if name not in _TEXT],
    )


def _known(value: Any) -> float | None:
    """The number, or None for each of the ways in which a table says that there is none."""
    import pandas as pd

    return None if pd.isna(value) else float(value)


def _depth(row: dict[Any, Any]) -> str:
    teacher = _known(row.get("teacher_layers"))
    return str(row["layers"]) if teacher is None else f"{row['layers']} of {teacher:.0f}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}x"


def _mean_std(mean: float, std: float) -> str:
    return score_text(mean) if _known(std) is None else f"{score_text(mean)} ± {std:.4f}"


def _seed_line(seeds: list[int]) -> str:
    few, most = [n for n in seeds if n < ENOUGH_SEEDS], max(seeds)
    lines = ["Mean ± sample standard deviation over seeds."] if most > 1 else []
    if len(few) == len(seeds):
        lines.append(f"{plural(most, 'seed')}: nothing can be said about differences.")
    elif len(few):
        lines.append(
            f"{len(few)} of {len(seeds)} rows rest on fewer than {ENOUGH_SEEDS} seeds:"
            " nothing can be said about their differences."
        )
    return "\n".join(lines) + "\n"


def _notes(sources: Sources) -> str:
    cells = sources.evidence.cells
    notes = []
    if (cells["selection"] == "dev").any():
        notes.append(
            "The best epoch was chosen on the dev split whose score is shown, as the papers do:"
            " these scores are optimistic."
        )
    if any(arm["arm_differs"] for arm in sources.arms):
        notes.append(
            "Runs of one method and depth that differ in more than the student's and the teacher's"
            " seed are never averaged; the column `differs` says in what."
        )
    if cells["speed_up"].notna().any():
        notes.append(
            "Speed-up: the teacher's median time for one example over the student's; means only"
            " over times of one machine and setup, that of most students of the task."
        )
    others = sources.evidence.left_out
    if others:
        counted = ", ".join(f"{name} {count}" for name, count in others.items())
        notes.append(f"Runs of other kinds, counted but not shown: {counted}.")
    return "## Notes\n\n" + "".join(f"- {note}\n" for note in notes) if notes else ""
