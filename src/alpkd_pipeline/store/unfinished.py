"""What is not a result: work that goes on or was interrupted, and what killed processes left."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from alpkd_pipeline.store.checkpoints import (
    BEST,
    CHECKPOINTS,
    Work,
    changed_beside,
    folder_of,
    has_checkpoint,
    steps_of,
)
from alpkd_pipeline.store.contents import Finding, State, made_again
from alpkd_pipeline.store.layout import ARTIFACT_TYPES, COMPARISON, COMPARISONS, RECORDS, Entry
from alpkd_pipeline.store.manifest import LOCKS, MANIFEST, is_complete, listed, read_manifest
from alpkd_pipeline.store.run_folder import RunFolder


def is_held(lock: Path) -> bool:
    """Whether some process holds a lock file. One that may not be opened counts as held; where
    nothing can be written nobody is at work."""
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
    tasks = [f"{kind.place}/*" for kind in ARTIFACT_TYPES if kind.name != COMPARISON]
    places = [*tasks, COMPARISONS, *RECORDS]
    locks = [lock for place in places for lock in sorted(store.glob(f"{place}/{LOCKS}/*.lock"))]
    found = []
    for lock in filter(is_held, locks):
        # By the name that people see.
        names = [path.name.removesuffix(".work") for path in listed(lock.parents[1])]
        name = next((name for name in names[::-1] if name.endswith(lock.stem)), lock.stem)
        found.append(lock.parents[1] / name)
    return found


@contextmanager
def taken(lock: Path) -> Iterator[bool]:
    """Hold a lock file if nobody else does, and give whether; OSError where nobody can write."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(lock, timeout=0).acquire()
    except OSError as error:
        if error.errno == errno.EROFS:
            raise
        yield False
        return
    with held:
        yield True


PRUNE = "`kedro prune` removes it"


def finding(entry: Entry, store: Path, placed: Callable[[str], str]) -> Finding:
    """What to say of an entry that is not a published folder; `placed` sends a command there."""

    def found(state: State, what: str, do: str = "", file: str = "") -> Finding:
        return Finding(state, entry.kind.name, os.path.relpath(entry.path, store), what, do, file)

    if at_work_on(entry):
        if entry.state == "work":
            return found("at work", "a process is making it", "it is not looked into")
        doing = "making it" if entry.state == "unsealed" else "writing here"
        return found("at work", f"a process is {doing}")
    if entry.state == "work":
        if not is_training(entry.path):
            return found("unfinished", "it was interrupted; it begins again", PRUNE)
        steps = steps_of(entry.path / CHECKPOINTS)
        where = f"after step {steps[-1]}" if steps else "before its first checkpoint"
        command = str(RunFolder(entry.path).unchecked_run.get("command") or "the same command")
        return found("unfinished", f"interrupted {where}", f"{placed(command)} goes on")
    if entry.state == "unsealed":
        what = f"{MANIFEST} is missing"
        if entry.key8 is None:
            return found("unfinished", f"{what}: it is not finished, or not a result")
        again = made_again(entry.path, "the command that made it")
        return found("missing", what, again, MANIFEST)
    if entry.state == "left over":
        return found("left over", "what a process left half done when it was killed", PRUNE)
    if is_complete(entry.final):
        return found("left over", "an older result that a newer one replaced", PRUNE)
    what = "an older result that stepped aside for one that never came"
    return found("left over", what, f"call it {entry.final.name} again, or delete it")


def steps_inside(work: Path) -> list[Path]:
    """The checkpoints and best models of an interrupted training, each a sealed folder."""
    places = (work / CHECKPOINTS, work / BEST)
    found = (folder_of(place, step) for place in places for step in steps_of(place))
    return [folder for folder in found if folder.is_dir()]


def wrong_steps(steps: Iterable[Path], store: Path) -> Iterator[Finding]:
    """Checkpoints that do not fit their place: the manifest speaks of another step than the name,
    or files of the work folder are not what they go on with, said for each of its checkpoints."""
    for folder in steps:
        said = (read_manifest(folder) or {}).get("step")
        if said is not None and f"step-{said:08d}" != folder.name:
            name, what = os.path.relpath(folder, store), f"{MANIFEST} speaks of step {said}"
            yield Finding("mismatched", "checkpoint", name, what, "it is passed over")
        where = os.path.relpath(folder.parents[1], store)
        for name in changed_beside(folder):
            do = "the training begins again, or goes on from an older checkpoint"
            what = f"{name} is not what was written"
            yield Finding("damaged", "checkpoint", where, what, do, name)


def is_training(work: Path) -> bool:
    """Whether a work folder belongs to a training: by its run.json, or since it has checkpoints."""
    return Work(work, RunFolder(work).unchecked_run).trains or has_checkpoint(work)


RECORD_KIND = "records"


def check_records(store: Path, count: Counter[str]) -> Iterator[Finding]:
    """Look at the records of a store."""
    for place in RECORDS:
        files = sorted((store / place).glob("[!.]*.json")) + sorted((store / place).glob("*.db"))
        count["folders"] += bool(files)
        for path in files:
            is_database = path.suffix == ".db"
            why = (_database_fault if is_database else _json_fault)(path)
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue  # removed meanwhile
            count.update(files=1, bytes=size)
            if why:
                do = "put a backup back, or delete it: " + (
                    "a search begins again, finished trials are found"
                    if is_database
                    else "the same command writes a new one"
                )
                yield Finding("damaged", RECORD_KIND, place, f"{path.name} {why}", do, path.name)


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
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=5)) as connection:
            (said,) = connection.execute("pragma quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else f"cannot be read ({error})"
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return "" if said == "ok" else f"is damaged ({' '.join(str(said).split())})"
