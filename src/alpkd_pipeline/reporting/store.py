"""Where the folders of a store lie, and what their small JSON files say. Reads no models."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from itertools import chain
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError, as_typed
from alpkd_pipeline.store.artifact import same_result
from alpkd_pipeline.store.layout import GEOMETRY, LATENCY, SCORES, SIGNALS, STUDENTS, TEACHERS
from alpkd_pipeline.store.run_folder import (
    PREDICTIONS,
    Damage,
    DamagedError,
    RunFolder,
    finished_below,
    newest_first,
    noted,
)
from alpkd_pipeline.tasks.metrics import own_scores

log = logging.getLogger(__name__)

MOST_LOOKS = 5
"""How often a store is read whose folders are being renamed."""

READ = {
    SIGNALS: ("signals.json",),
    TEACHERS: ("run.json", "metrics.json"),
    STUDENTS: ("run.json", "metrics.json", "events.jsonl", f"{PREDICTIONS}dev.csv"),
    **dict.fromkeys(SCORES, ("scores.json", f"{PREDICTIONS}dev.csv")),
    LATENCY: ("latency.json",),
    GEOMETRY: ("geometry.json",),
}
"""What a comparison is made from, and what it reads of it."""


class RunRecord(RunFolder):
    """What a finished training and its evaluation left behind."""

    # dev scores as `<split>.<metric>` -> value, the deciding one first; empty when the run was
    # neither evaluated nor measured on dev while it trained
    scores: Mapping[str, float]
    # what each latency.json of the run says, the newest first
    latencies: tuple[Mapping[str, Any], ...]
    # the folders of its scores, the one whose answers count first
    scored: Sequence[RunFolder]
    # the newest geometry.json of a student, None if its layers were not looked at
    geometry: Mapping[str, Any] | None
    rows: int | None  # rows of the first dev split, where it was scored
    # the user's own metrics among the scores -> the digests of their folders
    own_metrics: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Where it lies in its store, or lay in the store of who claims it."""
        return self.path.relative_to(self.store).as_posix()

    def but(self, **changes: Any) -> RunRecord:
        """The same with another value of some attributes."""
        found = copy(self)
        vars(found).update(changes)
        return found

    @property
    def dev_split(self) -> str:
        """The split that decides."""
        return str(self.run["task"]["dev_splits"][0])

    @property
    def primary_metric(self) -> str:
        """The metric that ranks the models of this task."""
        return str(self.run["task"]["metrics"][0])

    @property
    def primary_score(self) -> float | None:
        """The primary metric on the first dev split."""
        return self.scores.get(f"{self.dev_split}.{self.primary_metric}")


def check_results(store: Path) -> None:
    """Compare all files that a comparison reads with their hashes, and all others with their sizes.

    Raises:
        DamagedError: names every folder that is not what was written.
    """
    damages: list[Damage] = []
    for place, names in READ.items():
        for folder in finished_below(store / place, "*/*"):
            with noted(damages):
                folder.check_sizes()
                folder.verify(filter(folder.has, names))
    if damages:
        raise DamagedError(damages)


def finished_runs(store: Path, kind: str) -> Iterator[RunRecord]:
    """Every published run folder of a store, of `TEACHERS` or `STUDENTS`, in the order of paths.

    A folder that is still at work is passed over. So is one that was finished in another shape,
    with a warning: a comparison must not fail because of one of another version. Of two folders
    with one key, as a copy by hand makes them, only the first counts. Where folders are renamed
    or removed meanwhile, all is read again.

    Raises:
        DamagedError: one of them, or of their results, is not what was written.
        UserError: folders are renamed without end.
    """
    for _ in range(MOST_LOOKS):
        with suppress(_MovedError):
            return iter([*_finished_runs(store, kind)])
    raise UserError(
        f"folders of {store} are being renamed or removed: run the same command when that is over"
    )


class _MovedError(Exception):
    """A folder that was listed is gone."""


def _check_there(*folders: RunFolder) -> None:
    if not all(folder.is_there for folder in folders):
        raise _MovedError


def _finished_runs(store: Path, kind: str) -> Iterator[RunRecord]:
    places = (*SCORES, LATENCY, *([GEOMETRY] if kind == STUDENTS else []))
    made = {place: _results(store, place) for place in places}
    seen: dict[str, Path] = {}
    for path in (folder.path for folder in finished_below(store / kind, "*/*")):
        record = RunRecord(path)
        try:
            record.check_sizes()
            _read(record, made)
            _check(record, kind == STUDENTS)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            results = (some for found in made.values() for some in found.values())
            _check_there(record, *chain.from_iterable(results))
            log.warning("%s is left out, its files cannot be read: %r", path, error)
            continue
        first = seen.setdefault(record.key, path)
        if first == path:
            yield record
        elif not same_result(path, first):
            told = "%s is left out: it has the key of %s and other contents, see `%s`"
            log.warning(told, path, first, as_typed("kedro verify"))


def _results(store: Path, place: str) -> dict[str, list[RunFolder]]:
    """Key of a run -> the folders of results that were made from it, the newest first."""
    found: dict[str, list[RunFolder]] = defaultdict(list)
    keys: set[str] = set()
    for folder in newest_first(finished_below(store / place, "*/*")):
        try:
            made_from, key = folder.made_from, folder.key
        except FileNotFoundError:
            raise _MovedError from None
        for stage in {"teacher", "student"} & made_from.keys():
            if key not in keys:
                found[made_from[stage]].append(folder)
        keys.add(key)
    return found


def _read(record: RunRecord, made: Mapping[str, Mapping[str, list[RunFolder]]]) -> None:
    key, task = record.run["identity"]["key"], record.run["task"]

    def newest(*places: str) -> list[RunFolder]:
        return [found for place in places for found in made.get(place, {}).get(key, [])[:1]]

    record.scored, seen = newest(*SCORES), newest(GEOMETRY)
    scored = [found.json("scores.json") for found in record.scored]
    # The saved model's scores; before it was scored those that chose its epoch, if on dev.
    found = dict(record.metrics.get("scores") or {})
    rows, own = None, {}
    if scored:
        splits, own = scored[0]["splits"], own_scores(scored[-1])
        found = {name: split["scores"] or {} for name, split in splits.items()}
        rows = (splits.get(task["dev_splits"][0]) or {}).get("rows")
    scores = {
        f"{split}.{metric}": found[split][metric]
        for split in task["dev_splits"]
        for metric in task["metrics"]
        if metric in found.get(split, {})
    }
    for split in task["dev_splits"]:
        scores |= {f"{split}.{metric}": value for metric, value in own.get(split, {}).items()}
    record.scores = {name: float(value) for name, value in scores.items()}
    record.rows = int(rows) if rows else None
    record.latencies = tuple(_latencies(made[LATENCY].get(key, [])))
    record.geometry = seen[0].json("geometry.json") if seen else None
    record.own_metrics = dict(scored[-1].get("metrics") or {}) if scored else {}


def _check(record: RunRecord, student: bool) -> None:
    """Touch what every comparison needs, so that a folder without it is left out and no more."""
    run, params, task = record.run, record.run["params"], record.run["task"]
    needed = [run["name"], task["name"], task["dev_splits"][0], task["metrics"][0]]
    needed += [dict(record.metrics.get(name) or {}) for name in ("parameters", "environment")]
    needed += [dict(params["teacher"])]
    if student:
        needed += [params["method"]["name"], int(params["student"]["layers"]), int(params["seed"])]
    if None in needed:
        raise ValueError("run.json lacks a name")


def teacher_model(params: Mapping[str, Any]) -> str:
    """What a run's teacher was made of: the name of its encoder, or that it is a table."""
    teacher = params["teacher"]
    return "a table" if teacher.get("source") == "table" else str(teacher.get("model"))


def _latencies(folders: Iterable[RunFolder]) -> Iterator[Mapping[str, Any]]:
    """What the measurements say; one of another shape is no reason to leave its run out."""
    for folder in folders:
        try:
            found = folder.json("latency.json")
            if float(found["batch_1"]["p50_ms"]) > 0 and found["environment"].items():
                yield found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _check_there(folder)
            log.warning("%s is left out, it cannot be read: %r", folder.path, error)
