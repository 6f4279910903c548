"""Answers on dev, as an evaluation or a training leaves them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.reporting.conftest import Store

from alpkd_pipeline.store.layout import SCORES
from alpkd_pipeline.store.manifest import read_manifest, seal

RIGHT = [1, 0, 1, 1]
"""The labels."""


def with_answers(
    store: Store,
    folder: Path,
    predictions: list[int],
    *,
    place: str | None = SCORES[0],
    labels: list[int] = RIGHT,
) -> Path:
    """Write a model's answers, into its own folder where there is no other place."""
    result = folder if place is None else store.scores(folder, {}, place)
    frame = pd.DataFrame(
        {"idx": range(len(labels)), "label": labels, "prediction": predictions, "p_yes": 0.5}
    )
    (result / "predictions").mkdir()
    frame.to_csv(result / "predictions" / "dev.csv", index=False)
    manifest = read_manifest(result)
    assert manifest is not None
    seal(result, {name: value for name, value in manifest.items() if name != "files"})
    return result
