"""What is not a result: work that goes on or was interrupted, and what killed processes left."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS, has_checkpoint, steps_of
from alpkd_pipeline.store.findings import Count, Finding, State
from alpkd_pipeline.store.layout import COMPARISON, KINDS, RECORDS, Entry
from alpkd_pipeline.store.manifest import (
    LOCKS,
    MANIFEST,
    is_complete,
    listed,
    read_json,
    read_manifest,
)
from alpkd_pipeline.store.run_folder import RUN_CONFIG, Work


def is_held(lock: Path) -> bool:
    """Whether some process holds a lock file. One that may not be opened counts as held.

    Where nothing can be written nobody is at work.
    """
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except OSError as error:  # filelock's Timeout is one too
        return error.errno != errno.EROFS


def at_work_on(entry: Entry) -> bool:
    """Whether a process is making what an entry is, or is to become."""
    if entry.kind.name == COMPARISON and entry.state == "work":
        # All comparisons are made in one place, each under the lock of its own key.
        return any(is_held(lock) for lock in sorted((entry.final / LOCKS).glob("*.lock")))
    return is_held(entry.lock)


def busy(store: Path) -> list[Path]:
    """The results that processes are making now, and the sweeps and searches that are running."""
    depth = {kind.place: "" if kind.name == COMPARISON else "*/" for kind in KINDS}
    places = {**depth, **dict.fromkeys(RECORDS, "")}
    found = (p for place, inner in places.items() for p in _locks(store / place, inner))
    return [_locked(lock) for lock in found if is_held(lock)]


def _locked(lock: Path) -> Path:
    """What a lock stands for, by the name that people see."""
    place = lock.parents[1]
    found = [path for path in listed(place) if path.name.removesuffix(".work").endswith(lock.stem)]
    return place / (found[-1].name.removesuffix(".work") if found else lock.stem)


def _locks(place: Path, inner: str) -> list[Path]:
    return sorted(place.glob(f"{inner}{LOCKS}/*.lock"))


@contextmanager
def taken(lock: Path) -> Iterator[bool]:
    """Hold a lock file if nobody else does; gives whether it is held now.

    Raises:
        OSError: nothing can be written there.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, timeout=0)
    try:
        held.acquire()
    except OSError as error:
        if error.errno == errno.EROFS:
            raise
        yield False
        return
    try:
        yield True
    finally:
        held.release()


PRUNE = "`kedro prune` removes it"


def unfinished(entry: Entry, store: Path) -> Finding:
    """What to say of an entry that is not a published folder.

    Args:
        entry: it.
        store: the folder of all results.
    """
    if entry.state == "work":
        return _work(entry, store)
    if entry.state == "unsealed":
        return _unsealed(entry, store)
    if at_work_on(entry):
        return _finding(entry, store, "at work", "a process is writing here")
    if entry.state == "aside" and not is_complete(entry.final):
        return _finding(
            entry,
            store,
            "left over",
            "an older result that stepped aside for one that never came",
            f"call it {entry.final.name} again, or delete it",
        )
    what = {"aside": "an older result that a newer one replaced"}
    told = what.get(entry.state, "what a process left half done when it was killed")
    return _finding(entry, store, "left over", told, PRUNE)


def steps_inside(work: Path) -> list[Path]:
    """The checkpoints and best models of an interrupted training, each a sealed folder."""
    found = (place / f"step-{step:08d}" for place in _places(work) for step in steps_of(place))
    return [folder for folder in found if folder.is_dir()]


def wrong_steps(steps: Iterable[Path], store: Path) -> Iterator[Finding]:
    """Checkpoints whose manifest speaks of another step than their name."""
    for folder in steps:
        said = (read_manifest(folder) or {}).get("step")
        if said is not None and f"step-{said:08d}" != folder.name:
            name, what = os.path.relpath(folder, store), f"{MANIFEST} speaks of step {said}"
            yield Finding("mismatched", "checkpoint", name, what, "it is passed over")


def changed_beside(steps: Iterable[Path], store: Path) -> Iterator[Finding]:
    """Files of work folders that are not what a checkpoint says that it goes on with.

    A checkpoint holds sha256 and length of run.json, which never changes, and of the journal as
    far as it went.
    """
    seen = set()
    for folder in steps:
        work = folder.parents[1]
        said = (read_manifest(folder) or {}).get("beside") or {}
        for name, facts in said.items():
            if (work, name) in seen or _goes_on_from(work / name, facts):
                continue
            seen.add((work, name))
            where, what = os.path.relpath(work, store), f"{name} is not what was written"
            do = "the training begins again, or goes on from an older checkpoint"
            yield Finding("damaged", "checkpoint", where, what, do, name)


def _goes_on_from(path: Path, facts: Mapping[str, Any]) -> bool:
    size = None if path.name == RUN_CONFIG else int(facts["bytes"])
    try:
        with path.open("rb") as file:
            found = hashlib.sha256(file.read(size)).hexdigest()
    except OSError:
        return False
    return bool(found == facts["sha256"])


def is_training(work: Path) -> bool:
    """Whether a work folder belongs to a training: by its run.json, or since it has checkpoints."""
    return Work(work, run_of(work)).trains or has_checkpoint(work)


def run_of(folder: Path) -> Mapping[str, object]:
    """A folder's run.json; empty if it cannot be read."""
    try:
        found = read_json(folder / RUN_CONFIG)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _places(work: Path) -> list[Path]:
    return [work / CHECKPOINTS, work / BEST]


def _work(entry: Entry, store: Path) -> Finding:
    if at_work_on(entry):
        return _finding(entry, store, "at work", "a process is making it", "it is not looked into")
    if not is_training(entry.path):
        return _finding(entry, store, "unfinished", "it was interrupted; it begins again", PRUNE)
    steps = steps_of(entry.path / CHECKPOINTS)
    where = f"after step {steps[-1]}" if steps else "before its first checkpoint"
    command = run_of(entry.path).get("command") or "the same command"
    return _finding(entry, store, "unfinished", f"interrupted {where}", f"{command} goes on")


def _unsealed(entry: Entry, store: Path) -> Finding:
    if at_work_on(entry):
        return _finding(entry, store, "at work", "a process is making it")
    if entry.key8 is None:
        told = f"{MANIFEST} is missing: it is not finished, or not a result"
        return _finding(entry, store, "unfinished", told)
    again = f"rm -r {entry.path}, then the command that made it"
    return _finding(entry, store, "missing", f"{MANIFEST} is missing", again, MANIFEST)


def _finding(
    entry: Entry, store: Path, state: State, what: str, do: str = "", file: str = ""
) -> Finding:
    name = os.path.relpath(entry.path, store)
    return Finding(state, entry.kind.name, name, what, do, file)


KIND = "records"


def check_records(store: Path, count: Count) -> Iterator[Finding]:
    """Look at the records of a store.

    Args:
        store: the folder of all results.
        count: is added to.
    """
    for place in RECORDS:
        files = sorted((store / place).glob("[!.]*.json")) + sorted((store / place).glob("*.db"))
        count.folders += bool(files)
        for path in files:
            why = _database_fault(path) if path.suffix == ".db" else _json_fault(path)
            try:
                count.bytes += path.stat().st_size
            except FileNotFoundError:
                continue  # removed meanwhile
            count.files += 1
            if why:
                yield Finding("damaged", KIND, place, f"{path.name} {why}", _do(path), path.name)


def _json_fault(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError:
        found = None
    return "" if isinstance(found, dict) else "is not a record any more"


def _database_fault(path: Path) -> str:
    """What SQLite thinks of the database of searches; only read, also while a search writes."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            (said,) = connection.execute("pragma quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else f"cannot be read ({error})"
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return "" if said == "ok" else f"is damaged ({' '.join(str(said).split())})"


def _do(path: Path) -> str:
    if path.suffix == ".db":
        return "put a backup back, or delete it: a search begins again, finished trials are found"
    return "put a backup back, or delete it: the same command writes a new one"
