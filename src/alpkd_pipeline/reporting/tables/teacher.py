"""The teacher's row of a table, and what a student keeps of its score."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.statistics.summary import seed_summary
from alpkd_pipeline.reporting.tables.model_size import SIZES
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    import pandas as pd

TEACHER = "teacher"
_RUN_NAME = re.compile(r".+?-teacher-(?P<model>.+?)-s\d+(-[0-9a-f]{4})?")


def percent(score: float | None, teacher: float | None, metric: str = "") -> float | None:
    """The share of the teacher's score that is kept, in percent; none of an error, none of 0."""
    if score is None or teacher is None or not teacher > 0 or is_error(metric):
        return None
    return 100 * score / teacher


def teacher_means(cells: pd.DataFrame) -> dict[str, float]:
    """Arm -> mean score of its teachers, each teacher once; arms without one are left out."""
    known = cells[cells["teacher_score"].notna()].drop_duplicates(["arm", "teacher_key"])
    return {str(k): float(v) for k, v in known.groupby("arm")["teacher_score"].mean().items()}


def teacher_lines(cells: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One line for each teacher and task of one number of layers, over the teachers' seeds.

    Args:
        cells: runs of students, with the columns of `collect` that begin with `teacher`.

    Yields:
        The fields of the main table's lines. The label is `teacher`, and says which one where
        the students have teachers that differ in more than the seed.
    """
    known = cells[cells["teacher_score"].notna()].drop_duplicates(["task", "teacher_key"])
    labels = _labels(known)
    for (task, label), rows in known.groupby(["task", labels], sort=False):
        scores = dict(zip(_seeds(rows), rows["teacher_score"].tolist(), strict=True))
        seen = seed_summary(list(scores.values()))
        parameters = rows["teacher_parameters"].astype("float64").mean()
        sizes: dict[str, float | None] = dict.fromkeys(SIZES)
        if parameters == parameters:
            sizes |= {"parameters": parameters, "teacher_parameters": parameters}
            sizes["compression"] = 1.0
        yield {
            "label": label,
            "method": TEACHER,
            "kind": TEACHER,
            "task": task,
            "metric": rows["metric"].iloc[0],
            **{name: getattr(seen, name) for name in ("n", "mean", "std", "low", "high")},
            "bold": False,
            "kept": percent(seen.mean, seen.mean, rows["metric"].iloc[0]),
            "teacher_mean": seen.mean,
            "per_seed": scores,
            **sizes,
            "runs": rows["teacher_key"].tolist(),
        }


def _seeds(rows: pd.DataFrame) -> list[int]:
    """The teachers' seeds; one whose seed is not known gets a number below 0 of its own."""
    seeds = rows["teacher_seed"].astype("float64").tolist()
    return [-1 - i if math.isnan(seed) else int(seed) for i, seed in enumerate(seeds)]


def _labels(known: pd.DataFrame) -> pd.Series[str]:
    """`teacher`; with the model where there are several, or where more is to be said: what else
    differs from others of the model, and the key where a seed is no name.
    """
    models, differs = known["teacher"].map(_model), known["teacher_differs"]
    parts = [known["task"], models, differs, known["teacher_seed"]]
    keyed = known.groupby(parts, dropna=False)["teacher_key"].transform("nunique") > 1
    named = models.mask(keyed, models + ", " + known["teacher_key"].str[:8])
    named = named.mask(differs != "", named + ", " + differs)
    several = models.nunique() > 1
    return (TEACHER + " (" + named + ")").where(keyed | several | (differs != ""), TEACHER)


def _model(name: str) -> str:
    """The model in a teacher's name, `demo` in `mrpc-teacher-demo-s0-9f31`."""
    found = _RUN_NAME.fullmatch(str(name))
    return found["model"] if found else str(name)
