"""The runs of a comparison as arms: a method with its options, and all of its seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.statistics.pairing import Unit, per_seed, spread_of
from alpkd_pipeline.reporting.statistics.setting import SETTING_COLUMNS
from alpkd_pipeline.reporting.statistics.summary import LEVEL, seed_summary

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("task", "method", "layers", "seed", "score", "metric", "key", *SETTING_COLUMNS)

COLUMNS = (
    "task",
    "layers",
    "method",
    "arm",
    "arm_differs",
    "label",
    "setting",
    "setting_differs",
    "metric",
    "n",
    "teachers",
    "mean",
    "std",
    "low",
    "high",
    "spread",
    "seeds",
    "per_seed",
    "units",
    "runs",
)


def arms(cells: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """One row for each arm: its mean over seeds and what it was made of.

    Args:
        cells: rows of `collect` that count, with `SETTING_COLUMNS`. Runs without a score are
            passed over.
        level: of the intervals.

    Returns:
        Columns `COLUMNS`, in the order of `cells`. `label` is the method, and says what differs
        where a task and depth has several arms of it. `n` student seeds, `mean`, `std`, `low` and
        `high` over them; `teachers` the number of teachers; `per_seed` seed -> score, averaged
        over teachers; `units` (seed, teacher) -> score; `runs` the keys.

    Raises:
        ValueError: a column is missing, or one arm has one seed twice under one teacher.
    """
    import pandas as pd

    missing = [name for name in NEEDED if name not in cells.columns]
    if missing:
        raise ValueError(f"the runs have no column {', '.join(missing)}: see `add_settings`")
    scored = cells[cells["score"].notna()]
    groups = scored.groupby(["task", "layers", "method", "arm"], sort=False)
    rows = [_arm(runs, level) for _, runs in groups]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _arm(runs: pd.DataFrame, level: float) -> dict[str, Any]:
    first, units = runs.iloc[0], _units(runs)
    scores = per_seed(units)
    seen = seed_summary(list(scores.values()), level)
    differs = first["arm_differs"]
    same = ("task", "method", "arm", "arm_differs", "setting", "setting_differs", "metric")
    return {
        **{name: first[name] for name in same},
        "layers": int(first["layers"]),
        "label": f"{first['method']} ({differs})" if differs else first["method"],
        "n": seen.n,
        "teachers": len({teacher for _, teacher in units}),
        "mean": seen.mean,
        "std": seen.std,
        "low": seen.low,
        "high": seen.high,
        "spread": spread_of(units),
        "seeds": list(scores),
        "per_seed": scores,
        "units": units,
        "runs": runs["key"].tolist(),
    }


def _units(runs: pd.DataFrame) -> dict[Unit, float]:
    columns = (runs["seed"], runs["teacher_key"], runs["score"])
    units = {
        (int(seed), str(teacher)): float(score)
        for seed, teacher, score in zip(*columns, strict=True)
    }
    if len(units) < len(runs):
        first = runs.iloc[0]
        raise ValueError(
            f"{first['task']}, {first['method']}: one seed stands twice in the arm {first['arm']}"
        )
    return units
