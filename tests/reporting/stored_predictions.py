"""Answers on dev, as an evaluation or a training leaves them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.reporting.conftest import Store

from alpkd_pipeline.store.layout import SCORES, SPLITS
from alpkd_pipeline.store.manifest import read_manifest, seal

RIGHT = [1, 0, 1, 1]
"""The labels."""


def with_predictions(
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


def with_texts(store: Store, key: str, texts: list[str], name: str = "folder-77777777") -> Path:
    """Write the splits of MRPC with these texts on dev, as data preparation leaves them."""
    folder = store.root / SPLITS / "mrpc" / name.replace("77777777", key[:8])
    folder.mkdir(parents=True)
    frame = pd.DataFrame(
        {
            "sentence1": texts,
            "sentence2": [f"{text}, again" for text in texts],
            "label": [0] * len(texts),
            "idx": range(len(texts)),
        }
    )
    for split in ("train", "dev"):
        frame.to_parquet(folder / f"{split}.parquet", compression=None)
    seal(folder, {"key": key, "stage": "splits", "made_from": {}})
    return folder
