"""What the papers report on GLUE's dev splits, to be shown beside our numbers and never in them.

Other teachers, other selections of the best run, other versions of everything: such numbers say
what was found elsewhere, and no test compares them with ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FILE = Path(__file__).with_name("published_dev.csv")
"""README.md beside it says where its numbers come from."""


def published() -> pd.DataFrame:
    """The published dev scores, one row for each.

    Returns:
        Columns source, model, layers, method, task, metric (our names), score in percent, note.
    """
    import pandas as pd

    return pd.read_csv(FILE, dtype={"score": "float64", "layers": "int64"}, keep_default_na=False)
