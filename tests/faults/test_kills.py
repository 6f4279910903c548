"""SIGKILL at random moments, inside saves, and before every change of a file: nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.faults.forked import Child, fork
from tests.faults.record import Tally, counted, times
from tests.faults.trainings import EXPERIMENTS, Experiment, World, difference, outcome, train

from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS
from alpkd_pipeline.store.manifest import is_complete

KILLS, KILLS_IN_SAVES = times(120), times(30)
ENDS, MOMENTS_BETWEEN = times(16), times(14)
"""At how many changes of files a training is killed: the first and last ones, and in between."""

PATIENCE = 40
"""Kills in one training, at most: it must end some time."""


def half_saved(folder: Path) -> list[str]:
    """Where a save is under way, or was when it was killed."""
    return [n for n in (BEST, CHECKPOINTS) if any(".making-" in f for f in files(folder / n))]


def files(folder: Path) -> list[str]:
    """What a folder holds; nothing when the training has removed it meanwhile."""
    with suppress(FileNotFoundError):
        return os.listdir(folder)
    return []


def test_killed_at_random(world: World) -> None:
    rng = random.Random(5)
    for experiment in EXPERIMENTS:
        world.undisturbed(experiment)
    with counted("kill-random", "SIGKILL at a random moment of a training", "1, 4, 5") as tally:
        inside, trainings = 0, 0
        while tally.tries < KILLS:
            experiment = EXPERIMENTS[trainings % len(EXPERIMENTS)]
            trainings += 1
            longest = world.cpu[experiment.name]
            inside += chain(
                world, experiment, tally, lambda c, _, s=longest: wait_at_random(c, s, rng)
            )
        names = ", ".join(experiment.name for experiment in EXPERIMENTS)
        tally.note = f"{trainings} trainings ({names}), {inside} of the kills inside a save"


def test_killed_inside_saves(world: World) -> None:
    rng = random.Random(6)
    each = max(1, KILLS_IN_SAVES // len(EXPERIMENTS))
    with counted("kill-save", "SIGKILL aimed at a save", "1, 2") as tally:
        inside, trainings = 0, 0
        while inside < KILLS_IN_SAVES:
            experiment = EXPERIMENTS[trainings % len(EXPERIMENTS)]
            trainings += 1
            inside += chain(world, experiment, tally, lambda c, f: wait_for_a_save(c, f, rng), each)
        tally.note = f"{trainings} trainings, {inside} of the kills left a half-made save on disk"
    assert inside >= KILLS_IN_SAVES


def chain(
    world: World,
    experiment: Experiment,
    tally: Tally,
    wait: Callable[[Child, Path], None],
    patience: int = PATIENCE,
) -> int:
    """Kill a training again and again until it ends or was killed often enough, and compare.

    Returns:
        How many of the kills were inside a save.
    """
    folder, kills, inside, said = world.begin(experiment, "killed"), 0, 0, ""
    while True:
        child = train(folder)
        if kills < patience:
            wait(child, folder)
            code = child.kill()
        else:
            code = child.wait()
        if code != -signal.SIGKILL:
            said = child.said
            break
        kills += 1
        inside += bool(half_saved(folder))
    ok = ended(code, said)
    found = difference(outcome(folder), world.undisturbed(experiment)) if ok else said[-300:]
    tally.count(ok and not found, f"{experiment.name} after {kills} kills: {found}", tries=kills)
    return inside


def ended(code: int, said: str) -> bool:
    """Whether a training is through; one that was killed after its end has nothing left to do."""
    return code == 0 or "is finished" in said


def wait_at_random(child: Child, longest: float, rng: random.Random) -> None:
    """A moment of the start or of the training, by the processor time that it has used."""
    moment = rng.uniform(0.0, longest)
    while child.running() and child.cpu() < moment:
        time.sleep(rng.uniform(0.004, 0.012))


def wait_for_a_save(child: Child, folder: Path, rng: random.Random) -> None:
    """Until one of the next saves is being made, and a little longer."""
    skipped, before = rng.randrange(4), False
    while child.running():
        now = bool(half_saved(folder))
        if now and not before:
            if not skipped:
                time.sleep(rng.uniform(0.0, 0.004))
                return
            skipped -= 1
        before = now
        time.sleep(0.0005)


EVENTS = frozenset(
    ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod", "os.truncate")
)


def train_until(folder: Path, moment: int | None, log: Path | None = None) -> Child:
    """A training that is killed before its n-th change of a file below its folder.

    Args:
        folder: the run folder.
        moment: n, from 1; None: never.
        log: where the number of changes is written at the end.
    """

    def command() -> int:
        count = 0

        def hook(event: str, args: tuple[Any, ...]) -> None:
            nonlocal count
            if event not in EVENTS or not changes(event, args, str(folder)):
                return
            count += 1
            if count == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        from alpkd_pipeline.training.__main__ import main

        sys.argv = ["training", str(folder)]
        code = main()
        if log is not None:
            log.write_text(str(count))
        return code

    return fork(command, folder.parent / f"{folder.name}.log")


def changes(event: str, args: tuple[Any, ...], folder: str) -> bool:
    """Whether an audited event changes something below a folder."""
    if event == "open":
        path, mode = args[0], args[1]
        writes = isinstance(mode, str) and any(letter in mode for letter in "wax+")
        return writes and str(path).startswith(folder)
    inside = any(str(arg).startswith(folder) for arg in args if isinstance(arg, str | os.PathLike))
    # Whole folders are removed by names relative to an open folder.
    return inside or (event in {"os.remove", "os.rmdir"} and args[-1] != -1)


@pytest.mark.parametrize("experiment", EXPERIMENTS[:2], ids=lambda experiment: experiment.name)
def test_killed_before_every_change_of_a_file(
    world: World, experiment: Experiment, tmp_path: Path
) -> None:
    whole = world.undisturbed(experiment)
    fault = f"SIGKILL before each change of a file ({experiment.name})"
    with counted(f"kill-each-file-{experiment.name}", fault, "2") as tally:
        log = tmp_path / "count"
        assert train_until(world.begin(experiment, "counted"), None, log).wait() == 0
        total = int(log.read_text())
        chosen = moments(total)
        for moment in chosen:
            folder = world.begin(experiment, "moment")
            assert train_until(folder, moment).wait() == -signal.SIGKILL
            again = train(folder)
            ok = ended(again.wait(), again.said) and is_complete(folder, experiment.name)
            ok = ok and not (folder / CHECKPOINTS).exists()
            found = difference(outcome(folder), whole) if ok else again.said[-300:]
            tally.count(ok and not found, f"{experiment.name}, change {moment}: {found}")
        tally.note = f"{len(chosen)} of the {total} changes that a training makes"


def moments(total: int) -> list[int]:
    """The changes of the first saves and of the publishing at the end, and some in between."""
    share = max(1, total // MOMENTS_BETWEEN)
    last = range(max(1, total - ENDS), total + 1)
    return sorted({*range(1, ENDS + 1), *range(1, total, share), *last})
