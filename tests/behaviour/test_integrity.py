"""`kedro verify` and `kedro prune` on a store that the pipelines made."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.behaviour.conftest import Demo
from tests.conftest import Kedro
from tests.orchestration.integrity.stores import bad, files_of

from alpkd_pipeline.orchestration.integrity.verify import verify_store


@pytest.fixture
def store(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's store; other tests may have added to it."""
    copy = tmp_path / "store"
    ours = shutil.ignore_patterns("*.work", "reruns", "09_reruns")
    shutil.copytree(demo.store, copy, ignore=ours)
    return copy


def test_one_changed_byte_in_any_file_of_a_real_store_is_named(store: Path) -> None:
    draw = random.Random(1)
    assert verify_store(store).is_sound
    shown = [p for p in files_of(store) if "." not in {part[0] for part in p.parts[-3:]}]
    for path in [p for p in shown if not p.is_relative_to(store / "08_reporting/sweeps")]:
        whole = path.read_bytes()
        place = draw.randrange(len(whole))
        changed = whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(changed + (whole[place + 1 :] if draw.random() < 0.5 else b""))
        found = bad(verify_store(store, [path.parent]))
        assert path in [store / f.folder / f.file for f in found], f"{path} at {place}"
        path.write_bytes(whole)


def test_after_a_prune_finished_cells_are_finished_and_the_store_is_sound(
    store: Path, kedro: Kedro
) -> None:
    signals = store / "05_model_input" / "signals"
    where = f"run.store={store},run.tracking=off"
    cell = f"--params={where},student.layers=2"
    done = kedro("prune", "--signals", "--yes", f"--params={where}")
    assert done.returncode == 0, done.stderr
    assert not list(signals.glob("*/[!.]*"))
    again = kedro("run", "--pipeline=distill", cell)
    assert again.returncode == 0, again.stderr
    assert "making" not in again.stdout + again.stderr
    assert not list(signals.glob("*/[!.]*"))
    verified = kedro("verify", cell)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.splitlines()[-1].startswith("sound: ")
