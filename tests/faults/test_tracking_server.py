"""A real tracking server that is away, is killed or freezes while `kedro run` trains."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from tests.databases import free_port, postgres
from tests.faults.commands import Prepared, distill, kedro, steps_done, wait_for_step, work_of
from tests.faults.record import Tally, counted, times
from tests.servers import Server, sqlite_rows

from alpkd_pipeline.store.event_log import read_event_log

TRIES = times(2)
"""Of each fault with each database: one takes half a minute."""

LONGEST_GAP = 3.0
"""Seconds between two steps, of milliseconds each, beside what they take without a server."""

STUDENT = "name like 'demo-12to1-%' and lifecycle_stage = 'active'"
POINTS = f"select count(*) from metrics join runs using (run_uuid) where {STUDENT}"
SINGLE = (
    "select count(*) from (select distinct run_uuid, key, timestamp, step from metrics) as m"
    f" join runs using (run_uuid) where {STUDENT}"
)

Backend = Callable[[Path], Server]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> Iterator[tuple[str, Backend]]:
    with ExitStack() as stack:
        server = stack.enter_context(postgres()) if request.param == "postgresql" else None

        def make(folder: Path) -> Server:
            folder.mkdir(parents=True)
            return Server(folder, free_port(), server)

        yield request.param, make


def gap(folder: Path) -> float:
    """The longest time between two steps, in seconds."""
    times = [e["time"] for e in read_event_log(folder)[0] if e["event"] == "step"]
    return max((b - a for a, b in pairwise(times)), default=0.0)


@pytest.fixture(scope="module")
def calm_gap(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> float:
    """The same of a training without any tracking, on this machine now."""
    store, log = prepared.copy("calm"), tmp_path_factory.mktemp("calm") / "run.txt"
    assert distill(store, log).wait(300) == 0, log.read_text()
    folder = work_of(store)
    assert folder is not None
    found = gap(folder)
    shutil.rmtree(store)
    return found


def killed(server: Server, store: Path, rng: random.Random) -> None:
    server.kill()
    time.sleep(rng.uniform(0.5, 3.0))
    server.start()


def frozen(server: Server, store: Path, rng: random.Random) -> None:
    server.send(signal.SIGSTOP)
    before = steps_done(store)
    time.sleep(rng.uniform(4.0, 7.0))
    assert steps_done(store) > before, "the training stood still"
    server.send(signal.SIGCONT)


def frozen_to_the_end(server: Server, store: Path, rng: random.Random) -> None:
    server.send(signal.SIGSTOP)


FAULTS = {"killed and restarted": killed, "frozen and thawed": frozen, "frozen": frozen_to_the_end}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_is(
    fault: str,
    backend: tuple[str, Backend],
    prepared: Prepared,
    calm_gap: float,
    tmp_path: Path,
) -> None:
    kind, make = backend
    rng = random.Random(f"{fault} {kind}")
    part = f"server-{fault.replace(' ', '-')}-{kind}"
    title = f"`mlflow server` on {kind} {fault} in the middle of `kedro run`"
    with counted(part, title, "7") as tally:
        gaps = []
        for i in range(TRIES):
            server, store = make(tmp_path / f"server{i}"), prepared.copy(f"{part}-{i}")
            server.start()
            try:
                gaps.append(one(fault, server, store, rng, tally, tmp_path, calm_gap))
            finally:
                server.send(signal.SIGCONT)
                server.kill()
                shutil.rmtree(store)
        tally.note = (
            f"the longest time between two steps was {max(gaps):.1f} s, without tracking"
            f" {calm_gap:.1f} s"
        )


def one(
    fault: str,
    server: Server,
    store: Path,
    rng: random.Random,
    tally: Tally,
    tmp_path: Path,
    calm_gap: float,
) -> float:
    """One run with one fault; what came to the database is counted afterwards."""
    log, begin = tmp_path / "run.txt", rng.randrange(5, 60)
    run = distill(store, log, server.address)
    wait_for_step(store, begin, run)
    FAULTS[fault](server, store, rng)
    code = run.wait(180)
    server.send(signal.SIGCONT)
    folder = work_of(store)
    assert folder is not None
    found = faults_of(code, server, store, folder, tmp_path, LONGEST_GAP + calm_gap)
    tally.count(not found, f"{found}\n{log.read_text()[-400:]}")
    return gap(folder)


def faults_of(
    code: int, server: Server, store: Path, folder: Path, tmp_path: Path, longest: float
) -> str:
    """What is not as it should be after a run, its sync, and the sync of a copy; empty: nothing."""
    if code != 0:
        return f"the training ended with {code}"
    if gap(folder) > longest:
        return f"the training was held up for {gap(folder):.1f} s"
    wanted = expected(store, tmp_path)
    copy = store.with_name(f"{store.name}-copy")
    shutil.copytree(store, copy, ignore=shutil.ignore_patterns(".mlflow.json"))
    for place in (store, store, copy):
        log = tmp_path / "sync.txt"
        done = sync(place, server.address, log)
        if done != 0:
            return f"kedro sync ended with {done}: {log.read_text()[-300:]}"
    shutil.rmtree(copy)
    runs = server.rows(f"select status from runs where {STUDENT}")
    found = [int(server.rows(query)[0][0]) for query in (POINTS, SINGLE)]
    if runs != [("FINISHED",)] or found != [wanted, wanted]:
        return f"runs {runs}, points {found[0]}, {found[1]} different ones of {wanted}"
    return ""


def expected(store: Path, tmp_path: Path) -> int:
    """How many points the same folder brings to a database to which nothing happened."""
    copy, database = store.with_name(f"{store.name}-calm"), tmp_path / "calm.db"
    database.unlink(missing_ok=True)
    shutil.copytree(store, copy, ignore=shutil.ignore_patterns(".mlflow.json"))
    log = tmp_path / "calm.txt"
    assert sync(copy, f"sqlite:///{database}", log) == 0, log.read_text()
    shutil.rmtree(copy)
    return int(sqlite_rows(database, POINTS)[0][0])


def sync(store: Path, tracking: str, log: Path) -> int:
    """`kedro sync`."""
    return kedro("sync", f"--params=run.store={store},run.tracking={tracking}", log=log).wait(180)


def test_a_closed_port(prepared: Prepared, tmp_path: Path) -> None:
    with counted("server-closed-port", "no tracking server at all (closed port)", "7") as tally:
        for i in range(TRIES):
            store, log = prepared.copy(f"closed-{i}"), tmp_path / "run.txt"
            started = time.monotonic()
            code = distill(store, log, f"http://127.0.0.1:{free_port()}").wait(180)
            seconds = time.monotonic() - started
            folder = work_of(store)
            assert folder is not None
            calm = expected(store, tmp_path)
            said = log.read_text()
            ok = code == 0 and calm > 0 and gap(folder) < LONGEST_GAP and "Traceback" not in said
            tally.count(ok, f"code {code}, {calm} points, {said[-300:]}")
            tally.note = f"the last run took {seconds:.0f} s and brought {calm} points later"
            shutil.rmtree(store)
