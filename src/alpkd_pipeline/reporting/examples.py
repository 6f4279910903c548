"""The dev examples on which two models differ most, with their texts.

Texts are read from the stored splits when somebody asks for them; no result holds any.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.statistics.answers import DevAnswers
from alpkd_pipeline.store.artifact import find_in
from alpkd_pipeline.store.layout import SPLITS
from alpkd_pipeline.store.run_folder import RunFolder


def most_different(ours: DevAnswers, theirs: DevAnswers) -> np.ndarray:
    """The places of the rows that two models answer differently, the most different ones first.

    Numbers are as different as their distance, classes as the total variation of the two models'
    probabilities; where those were not kept, and among equals, the order of the rows decides.
    """
    numbers = ours.task.kind == "regression"
    one, other = (
        m.rows.answers[:, None] if numbers else m.rows.probabilities for m in (ours, theirs)
    )
    rows = np.flatnonzero(ours.rows.answers != theirs.rows.answers)
    if one.shape != other.shape:
        return rows
    return rows[np.argsort(-np.abs(one - other)[rows].sum(axis=1), kind="stable")]


def texts_of(model: DevAnswers, numbers: np.ndarray) -> list[dict[str, str]]:
    """The texts of some rows of the dev split, by column, from the splits that the run was made of.

    Rows are named by `idx`.

    Raises:
        UserError: these splits are not in the store any more.
        DamagedError: the file is not what was written.
    """
    import pandas as pd

    key = str((RunFolder(model.folder).run["identity"].get("keys") or {}).get("splits"))
    place = model.folder.parents[3] / SPLITS / model.folder.parent.name
    found = find_in(place, key)
    if found is None:
        raise UserError(
            f"the splits {key[:8]} that {model.name} was made of are not in {place}, or not all of"
            " their files, so there are no texts to show; `kedro run --pipeline=data_prep` with its"
            " parameters makes them again"
        )
    file = BytesIO(RunFolder(found).read(f"{model.split}.parquet"))
    columns = list(model.task.text_columns)
    frame = pd.read_parquet(file, columns=["idx", *columns]).set_index("idx")
    return [{name: str(frame.at[number, name]) for name in columns} for number in numbers.tolist()]
