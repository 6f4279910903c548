"""SIGTERM and Ctrl-C at random moments: saved, marked, and the same end later."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.databases import initialised_database
from tests.faults.commands import Prepared, distill, wait_for_step, work_of
from tests.faults.record import counted, times
from tests.faults.trainings import EXPERIMENTS, World, difference, outcome, steps_said, train
from tests.servers import sqlite_rows

from alpkd_pipeline.store.checkpoints import CHECKPOINTS, steps_of
from alpkd_pipeline.store.manifest import sha256_file

LIMIT = 30.0
"""Seconds in which a training must have saved and ended."""

TRIES, COMMANDS = times(30), times(3)
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


def test_while_it_trains(world: World) -> None:
    """The training's own command; by a signal of its own a shell says 128 and its number."""
    rng = random.Random(21)
    title = "SIGTERM or Ctrl-C at a random moment of a training"
    with counted("signals-training", title, "12") as tally:
        longest = 0.0
        for i in range(TRIES):
            experiment, number = EXPERIMENTS[i % len(EXPERIMENTS)], list(CODES)[i % 2]
            wanted = world.undisturbed(experiment)
            folder = world.begin(experiment, "signalled")
            child = train(folder)
            begin = rng.randrange(1, 8)
            while child.running() and steps_said(folder) < begin:
                time.sleep(0.002)
            started = time.monotonic()
            child.send(number)
            code, said = child.wait(), child.said
            longest = max(longest, time.monotonic() - started)
            saved = steps_of(folder / CHECKPOINTS)
            again = train(folder) if code else child
            ok = again.wait() == 0 and (code == 0 or bool(saved))
            found = difference(outcome(folder), wanted) if ok else again.said[-300:]
            if code not in (0, CODES[number], -number) or "Traceback" in said:
                found += f" code {code}: {said[-300:]}"
            tally.count(not found, f"{experiment.name}, {number.name}: {found}")
        tally.note = f"saved and ended within {longest:.1f} s"
        assert longest < LIMIT


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_while_a_command_trains(
    number: signal.Signals,
    prepared: Prepared,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> None:
    rng = random.Random(int(number))
    template = initialised_database(tmp_path_factory)
    title = f"{number.name} in the middle of `kedro run`"
    with counted(f"signals-command-{number.name}", title, "12") as tally:
        weights, longest = calm(prepared, tmp_path), 0.0
        for i in range(COMMANDS):
            store, log = prepared.copy(f"{number.name}-{i}"), tmp_path / "run.txt"
            database = Path(shutil.copy(template, tmp_path / f"{i}.db"))
            run = distill(store, log, f"sqlite:///{database}")
            begin = rng.randrange(5, 200)
            wait_for_step(store, begin)
            started = time.monotonic()
            run.send_signal(number)
            code = run.wait(120)
            longest = max(longest, time.monotonic() - started)
            first = log.read_text()
            middle = statuses(database)
            again = distill(store, log, f"sqlite:///{database}").wait(180)
            folder = work_of(store)
            assert folder is not None
            ok = (code, again) == (CODES[number], 0) and "Traceback" not in first
            ok = ok and (middle, statuses(database)) == (["KILLED"], ["FINISHED"])
            ok = ok and sha256_file(folder / "model.safetensors") == weights
            tally.count(
                ok, f"codes {code}, {again}; {middle}, {statuses(database)}; {first[-300:]}"
            )
            shutil.rmtree(store)
        tally.note = f"saved and ended within {longest:.1f} s, KILLED in MLflow, later FINISHED"
        assert longest < LIMIT


def calm(prepared: Prepared, tmp_path: Path) -> str:
    """The weights that come of it when nothing happens."""
    store, log = prepared.copy("calm"), tmp_path / "calm.txt"
    assert distill(store, log).wait(180) == 0, log.read_text()
    folder = work_of(store)
    assert folder is not None
    found = sha256_file(folder / "model.safetensors")
    shutil.rmtree(store)
    return found


def statuses(database: Path) -> list[str]:
    """Of the student's runs."""
    rows = sqlite_rows(database, "select status from runs where name like 'demo-12to1-%'")
    return [status for (status,) in rows]
