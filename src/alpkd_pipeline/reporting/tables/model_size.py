"""How large and how fast the models behind a row are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SIZES = ("parameters", "teacher_parameters", "compression", "speed_up", "latency_ms")
"""Parameters in all; the teacher's over the student's; the teacher's time over the student's;
median milliseconds for one example."""

_MEASURED = ("parameters", "teacher_parameters", "speed_up", "latency_ms")


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
