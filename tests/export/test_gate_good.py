"""No good export is refused: other seeds, opsets, threads and orders of texts are no faults."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from tests.export.conftest import MAX_LENGTH, MakeWorld, World, own_run
from tests.export.planted import FAMILIES, caught
from tests.models.conftest import word_tokenizer

from alpkd_pipeline.tasks.encode import encode_splits

SEEDS, OPSETS = (0, 2), (19, 20, 21)
VARIANTS = ("as it is", "two threads", "texts in another order")
GOOD = [*product(FAMILIES, SEEDS, OPSETS, VARIANTS)]


def test_there_are_at_least_fifty() -> None:
    assert len(GOOD) >= 50


def reordered(world: World, encoder: str, root: Path) -> World:
    """The same model with its dev rows in another order."""
    splits, encoded = root / "splits", root / "encoded"
    splits.mkdir()
    encoded.mkdir()
    frames = {n: pd.read_parquet(world.splits / f"{n}.parquet") for n in ("train", "dev")}
    frames["dev"] = frames["dev"].sample(frac=1, random_state=5).reset_index(drop=True)
    for name, frame in frames.items():
        frame.to_parquet(splits / f"{name}.parquet")
    encode_splits(frames, world.task, word_tokenizer(encoder), MAX_LENGTH, encoded)
    return replace(world, splits=splits, encoded=encoded)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "seed", "opset", "variant"), GOOD)
def test_a_good_export_passes(
    world: MakeWorld, tmp_path: Path, encoder: str, seed: int, opset: int, variant: str
) -> None:
    made = world(encoder, FAMILIES[encoder], seed, opset=opset)
    if variant == "two threads":
        made = own_run(made, tmp_path / "run", threads=2)
    if variant == "texts in another order":
        made = reordered(made, encoder, tmp_path)
    found = caught(made, made.export(tmp_path / "export"))
    print("good", encoder, seed, opset, variant, found or "passes", sep=" | ")
    assert found == {}
