"""The teacher's pass over real rows of the demo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tests.training.conftest import Make
from tests.training.toys import room_for_rows

from alpkd_pipeline.models.encoder import load_finetuned
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.training.dispatch import run_stage


def test_train_and_dev_and_no_other_split(signals: Path) -> None:
    assert {path.name for path in signals.iterdir()} == {
        "run.json",
        "signals.json",
        "train.logits.npy",
        "train.layers.npy",
        "dev.logits.npy",
        "dev.layers.npy",
    }
    assert np.load(signals / "train.logits.npy").shape == (96, 2)
    assert np.load(signals / "train.layers.npy").shape == (96, 12, 64)
    assert np.load(signals / "dev.layers.npy").shape == (48, 12, 64)
    facts = read_json(signals / "signals.json")
    assert facts["rows"] == 96 + 48
    assert facts["seconds"] > 0
    assert facts["environment"]["device"] == "cpu"


def test_memory_that_is_too_short_is_recorded(begin: Make, teacher: Path, encoded: Path) -> None:
    folder = begin("short", "signals", {"teacher": teacher, "encoded": encoded})
    with room_for_rows(8):
        run_stage(folder)
    assert [found["rows"] for found in read_json(folder / "signals.json")["memory"]] == [16, 8]


def states(teacher: Path, split: EncodedSplit, row: int) -> tuple[np.ndarray, list[np.ndarray]]:
    tokens = torch.from_numpy(split.input_ids[split.offsets[row] : split.offsets[row + 1]].copy())
    with torch.no_grad():
        out = load_finetuned(teacher).eval()(
            input_ids=tokens[None].long(), output_hidden_states=True
        )
    return out.logits[0].numpy(), [h[0].numpy() for h in out.hidden_states[1:]]


def test_each_row_holds_what_the_teacher_says_about_it(
    signals: Path, teacher: Path, encoded: Path
) -> None:
    for name, row in (("train", 17), ("dev", 40)):
        logits, layers = states(teacher, read_encoded(encoded, name), row)
        kept = np.load(signals / f"{name}.layers.npy")[row]
        np.testing.assert_allclose(np.load(signals / f"{name}.logits.npy")[row], logits, atol=1e-4)
        np.testing.assert_allclose(kept, [h[0] for h in layers], atol=1e-4)


def test_the_run_decides_pooling_and_digits(
    begin: Make, signals: Path, teacher: Path, encoded: Path
) -> None:
    inputs = {"teacher": teacher, "encoded": encoded}
    folder = run_stage(
        begin("half", "signals", inputs, signals__dtype="fp16", method__pooling="mean")
    )
    kept = np.load(folder / "dev.layers.npy")
    assert kept.dtype == np.float16
    means = [h.mean(axis=0) for h in states(teacher, read_encoded(encoded, "dev"), 3)[1]]
    np.testing.assert_allclose(kept[3], means, atol=5e-3)
    assert np.load(folder / "dev.logits.npy").dtype == np.float32
    assert not np.allclose(kept[3], np.load(signals / "dev.layers.npy")[3], atol=5e-3)


def test_nothing_is_said_of_memory_that_suffices(signals: Path) -> None:
    assert "memory" not in read_json(signals / "signals.json")
