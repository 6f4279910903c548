"""How large and how fast the models behind a row are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SIZES = ("parameters", "teacher_parameters", "compression", "speed_up", "latency_ms")
"""Parameters in all; the teacher's over the student's; the teacher's time over the student's;
median milliseconds for one example."""

TIMES = ("speed_up", "latency_ms")
"""What depends on where it was measured."""

_MEASURED = ("parameters", "teacher_parameters", "speed_up", "latency_ms")


def timed_alike(cells: pd.DataFrame) -> pd.DataFrame:
    """The same runs; of each task only those times that were taken in its commonest environment.

    Times of different machines, devices, libraries or numbers of threads have no common mean.
    """
    chosen = {
        task: min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
        for task, of_task in cells.groupby("task")["timed_on"]
        if (counts := of_task[of_task.fillna("") != ""].value_counts().to_dict())
    }
    alike = cells["timed_on"] == cells["task"].map(chosen)
    return cells.assign(**{name: cells[name].where(alike) for name in TIMES})


def sizes(cells: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Arm -> `SIZES`: means over the arm's runs as far as they are known, else None."""
    import pandas as pd

    frame = cells.reindex(columns=["arm", *_MEASURED])
    means = frame.astype(dict.fromkeys(_MEASURED, "float64")).groupby("arm").mean()
    means["compression"] = means["teacher_parameters"] / means["parameters"]
    return {
        str(arm): {
            name: None if pd.isna(row[name]) else float(row[name])  # NaN is no JSON
            for name in SIZES
        }
        for arm, row in means.iterrows()
    }
