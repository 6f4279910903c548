"""The runs of a comparison as arms: one method with its options in one setting.

The runs of an arm differ in the student's and the teacher's seed and in nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from alpkd_pipeline.reporting.statistics.pairing import Row, Unit, per_seed, spread_of
from alpkd_pipeline.reporting.statistics.scores import ERRORS
from alpkd_pipeline.reporting.statistics.summary import seed_summary

SETTING_COLUMNS = ("setting", "setting_differs", "arm", "arm_differs", "teacher_key")
"""What `settings.add_settings` tells of a run, as texts."""

NEEDED = ("task", "method", "layers", "seed", "score", "metric", "key", *SETTING_COLUMNS)

_OF_RUNS = ("task", "method", "arm", "arm_differs", "setting", "setting_differs", "metric")


def arms(runs: Iterable[Mapping[Any, Any]]) -> list[Row]:
    """The arms of a comparison: the mean of each over seeds and what it was made of.

    Args:
        runs: what `NEEDED` names of each run that counts, and `rows` of its dev split, if known.
            Runs without a score are passed over.

    Returns:
        In the order of the runs, what all runs of an arm share; `label`: the method, and what
        differs where a task and depth has several arms of it, or methods in several settings; `n`
        student seeds, `mean`, `std`, `low` and `high` over them; `teachers`: their number;
        `spread`; `seeds`; `per_seed`: seed -> score, averaged over teachers; `units`: (seed,
        teacher) -> score; `keys`: the same -> the run's key; `runs`: the keys; `sign`: -1 where
        less is better, else 1; `rows`.

    Raises:
        ValueError: something is missing, or one arm has one seed twice under one teacher.
    """
    groups: dict[tuple[Any, ...], list[Mapping[Any, Any]]] = {}
    for run in runs:
        missing = [name for name in NEEDED if name not in run]
        if missing:
            raise ValueError(f"the runs have no column {', '.join(missing)}: see `add_settings`")
        if run["score"] is not None and not math.isnan(run["score"]):
            place = (run["task"], run["layers"], run["method"], run["arm"])
            groups.setdefault(place, []).append(run)
    return [_arm(found) for found in groups.values()]


def _arm(runs: Sequence[Mapping[Any, Any]]) -> Row:
    first = runs[0]
    units = {_unit(run): float(run["score"]) for run in runs}
    if len(units) < len(runs):
        raise ValueError(
            f"{first['task']}, {first['method']}: one seed stands twice in the arm {first['arm']}"
        )
    scores = per_seed(units)
    told = (first["arm_differs"], first["setting_differs"])
    differs = ", ".join(dict.fromkeys(part for text in told if text for part in text.split(", ")))
    return {
        **{name: first[name] for name in _OF_RUNS},
        "layers": int(first["layers"]),
        "sign": -1 if first["metric"] in ERRORS else 1,
        "rows": first.get("rows"),
        "label": f"{first['method']} ({differs})" if differs else first["method"],
        "teachers": len({teacher for _, teacher in units}),
        **asdict(seed_summary(list(scores.values()))),
        "spread": spread_of(units),
        "seeds": list(scores),
        "per_seed": scores,
        "units": units,
        "keys": {_unit(run): str(run["key"]) for run in runs},
        "runs": [str(run["key"]) for run in runs],
    }


def _unit(run: Mapping[Any, Any]) -> Unit:
    return int(run["seed"]), str(run["teacher_key"])
