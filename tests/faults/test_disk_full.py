"""A disk that fills up at some moment: one clear line, nothing broken, and the same end later."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.faults.commands import SMALL, distill, work_of
from tests.faults.disks import Disk, disk_to_fill
from tests.faults.record import counted, times
from tests.faults.trainings import EXPERIMENTS, World, difference, outcome, train

from alpkd_pipeline.store.checkpoints import CHECKPOINTS, good_checkpoints, steps_of
from alpkd_pipeline.store.manifest import sha256_file

TRAININGS, COMMANDS = times(30), times(6)


def left_over(folder: Path) -> list[str]:
    """Half-made files and folders."""
    names = (".making-*", "*.tmp", ".*.tmp")
    return [str(path.relative_to(folder)) for name in names for path in folder.rglob(name)]


def one_line(said: str) -> bool:
    """Whether a command said one line about the disk, and no traceback."""
    errors = [line for line in said.splitlines() if "No space left" in line]
    return len(errors) == 1 and "/" in errors[0] and "Traceback" not in said


def test_while_a_training_writes(world: World, tmp_path: Path) -> None:
    rng = random.Random(11)
    for experiment in EXPERIMENTS[:2]:
        world.undisturbed(experiment)
    with (
        disk_to_fill(tmp_path / "disk", 64) as disk,
        counted("disk-full-training", "disk full at a random moment of a training", "6") as tally,
    ):
        needs = {
            experiment.name: needed(world, experiment.name, disk) for experiment in EXPERIMENTS[:2]
        }
        full = 0
        for i in range(TRAININGS):
            experiment = EXPERIMENTS[i % 2]
            folder = world.begin(experiment, "run", root=disk.folder)
            disk.leave(int(rng.uniform(0.0, 0.98) * needs[experiment.name]))
            first = train(folder)
            code, left, said = first.wait(), left_over(folder), first.said
            whole = steps_of(folder / CHECKPOINTS)
            good = len(list(good_checkpoints(folder)))
            disk.empty()
            again = train(folder) if code else first
            full += code != 0
            found = ""
            if again.wait() != 0:
                found = f"it does not go on: {again.said[-300:]}"
            else:
                found = difference(outcome(folder), world.undisturbed(experiment))
            if code not in (0, 1) or (code and not one_line(said)):
                found += f" code {code}, said: {said[-400:]}"
            if left or good != len(whole):
                found += f" left: {left}, {good} of {len(whole)} checkpoints good"
            tally.count(not found, f"{experiment.name}: {found}")
        tally.note = f"{full} of the trainings met the full disk, the others had just enough"


def needed(world: World, name: str, disk: Disk) -> int:
    """Bytes that a training has on disk at most."""
    experiment = next(experiment for experiment in EXPERIMENTS if experiment.name == name)
    folder = world.begin(experiment, "run", root=disk.folder)
    with disk.watched() as most:
        child = train(folder)
        assert child.wait() == 0, child.said
    return most[0]


def test_while_a_command_makes_everything(tmp_path: Path) -> None:
    """Splits, token ids, teacher, signals, student and scores on one small disk."""
    rng, params = random.Random(12), f"{SMALL},training.epochs=1"
    log = tmp_path / "run.txt"
    with disk_to_fill(tmp_path / "disk", 64) as disk:
        store = disk.folder / "store"
        with disk.watched() as most:
            assert distill(store, log, params=params).wait(300) == 0, log.read_text()
        folder = work_of(store)
        assert folder is not None
        weights, name = sha256_file(folder / "model.safetensors"), folder.name
        fault = "disk full at a random moment of `kedro run`"
        with counted("disk-full-command", fault, "6") as tally:
            full = 0
            for _ in range(COMMANDS):
                shutil.rmtree(store, ignore_errors=True)
                disk.leave(int(rng.uniform(0.0, 0.98) * most[0]))
                code = distill(store, log, params=params).wait(300)
                first, left = log.read_text(), left_over(store) if store.exists() else []
                disk.empty()
                full += code != 0
                again = distill(store, log, params=params).wait(300)
                made = store / "06_models/students/demo" / name / "model.safetensors"
                found = ""
                if again != 0 or sha256_file(made) != weights:
                    found = f"again: {again}, {log.read_text()[-300:]}"
                if code not in (0, 1) or (code and not one_line(first)):
                    found += f" code {code}, said: {first[-500:]}"
                tally.count(not found and not left, f"{found} left: {left}")
            tally.note = f"{full} of the commands met the full disk"
