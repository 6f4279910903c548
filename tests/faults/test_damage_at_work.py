"""Flipped bits and missing bytes in checkpoints and work folders: refused, or passed over."""

from __future__ import annotations

import logging
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.damage import DAMAGES, Spoilt
from tests.faults.record import counted, times
from tests.faults.trainings import EXPERIMENTS, World, difference, outcome, train

from alpkd_pipeline.store.checkpoints import CHECKPOINTS, good_checkpoints, steps_of

TRIES, TRAININGS = times(200), times(10)


@contextmanager
def _silent() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", ["state.safetensors", "facts.json", "manifest.json"])
def test_in_a_checkpoint(name: str, world: World) -> None:
    folder = interrupted(world)
    last, before = reversed(steps_of(folder / CHECKPOINTS)[-2:])
    path, rng = folder / CHECKPOINTS / f"step-{last:08d}" / name, random.Random(name)
    fault = f"{TRIES} flips and {TRIES} truncations: a checkpoint's {name}"
    whole = next(good_checkpoints(folder))[1]
    with counted(f"damage-checkpoint-{name}", fault, "3") as tally, _silent():
        for how, damaged in DAMAGES.items():
            for _ in range(TRIES):
                data = damaged(path.read_bytes(), rng)
                with Spoilt(path, data):
                    found = next(good_checkpoints(folder))[1]
                ok = found["steps"] == before or found == whole
                tally.count(ok, f"a {how} in {name} of step {last} went unnoticed")
    assert difference(ended(folder), world.undisturbed(EXPERIMENTS[0])) == ""


@pytest.mark.parametrize("name", ["events.jsonl", "run.json", ".best"])
def test_in_the_work_folder_of_a_training_that_goes_on(name: str, world: World) -> None:
    """Damage between a kill and the next start, and what the training then comes to."""
    folder, rng = interrupted(world), random.Random(name)
    kept = shutil.copytree(folder, folder.parent / "kept")
    wanted = world.undisturbed(EXPERIMENTS[0])
    fault = f"an interrupted training's {name} is damaged, then it goes on"
    with counted(f"damage-work-{name}", fault, "1, 3") as tally:
        for how, damaged in DAMAGES.items():
            for _ in range(TRAININGS):
                shutil.rmtree(folder)
                shutil.copytree(kept, folder)
                path = folder / name
                if name == ".best":
                    path = next(path.glob("*/model.safetensors"))
                data = damaged(path.read_bytes(), rng)
                path.unlink()
                path.write_bytes(data)
                child = train(folder)
                code = child.wait()
                if name == "run.json":
                    ok = code == 1 and child.said.count("Error: ") == 1 and "run.json" in child.said
                    tally.count(ok, f"a {how}: {child.said[-200:]}")
                else:
                    found = difference(outcome(folder), wanted) if code == 0 else child.said[-200:]
                    tally.count(not found, f"a {how}: {found}")


def interrupted(world: World) -> Path:
    """A training that was killed when it had two checkpoints and a best model."""
    folder = world.begin(EXPERIMENTS[0], "interrupted")
    shutil.rmtree(folder.parent / "kept", ignore_errors=True)
    child = train(folder)
    while child.running():
        if len(steps_of(folder / CHECKPOINTS)) >= 2 and steps_of(folder / CHECKPOINTS)[-1] >= 9:
            break
    assert child.kill() == -signal.SIGKILL
    assert len(list(good_checkpoints(folder))) >= 2
    return folder


def ended(folder: Path) -> dict[str, object]:
    """What the training comes to when it goes on."""
    child = train(folder)
    assert child.wait() == 0, child.said
    return outcome(folder)
