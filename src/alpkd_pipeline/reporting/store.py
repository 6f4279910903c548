"""What the finished runs of a store say: their small JSON files, and learning curves out of their
event logs. Reads no models.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError, as_typed
from alpkd_pipeline.store.artifact import same_result
from alpkd_pipeline.store.event_log import EVENT_LOG
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

    # dev scores as `<split>.<metric>` -> value, the primary one first; empty when the run was
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
    for _ in range(5):
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
    splits = scored[0]["splits"] if scored else {}
    # The saved model's scores; before it was scored those that chose its epoch, if on dev.
    found = dict(record.metrics.get("scores") or {})
    if scored:
        found = {name: split["scores"] or {} for name, split in splits.items()}
    own = own_scores(scored[-1]) if scored else {}
    record.scores = {
        f"{split}.{metric}": float(found[split][metric])
        for split in task["dev_splits"]
        for metric in task["metrics"]
        if metric in found.get(split, {})
    } | {
        f"{split}.{metric}": float(value)
        for split in task["dev_splits"]
        for metric, value in own.get(split, {}).items()
    }
    rows = (splits.get(task["dev_splits"][0]) or {}).get("rows")
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


BINS = 24
"""Losses are averaged over this many equal parts of a training."""

TERMS = ("hard", "soft", "intermediate")

Point = tuple[float, float]

_EVENTS = (b'{"event": "eval"', b'{"event": "step"')


@dataclass(frozen=True, slots=True)
class RunCurves:
    """What one event log tells."""

    scores: Sequence[Point]  # (epoch, primary score) of every evaluation
    # term of the loss -> (epoch, value before its weight) of every logged step
    losses: Mapping[str, Sequence[Point]]


def run_curves(folder: Path, metric: str) -> RunCurves:
    """Read the event log of a finished run; none, or one of another shape, gives no points.

    Raises:
        DamagedError: the event log is not what was sealed.
    """
    scores: list[Point] = []
    losses: dict[str, list[Point]] = defaultdict(list)
    try:
        lines = RunFolder(folder).read(EVENT_LOG).splitlines()
        wanted = filter(lambda line: line.startswith(_EVENTS), lines)
        # All at once: a thousand runs have many lines.
        for event in json.loads(b"[%s]" % b",".join(wanted)):
            if event["event"] == "eval":
                scores += _finite(event["epoch"], event["scores"].get(metric))
            else:
                for term in TERMS:
                    losses[term] += _finite(event["epoch"], event["loss"].get(term))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("the event log of %s cannot be read: %r", folder, error)
        return RunCurves((), {})
    return RunCurves(scores, {term: points for term, points in losses.items() if points})


def _finite(epoch: Any, value: Any) -> list[Point]:
    # The event log writes what is not finite as a word.
    return [(float(epoch), float(value))] if isinstance(value, int | float) else []


def mean_scores(runs: Sequence[RunCurves]) -> list[Point]:
    """The mean over runs at every evaluation that all of them have.

    Runs that stopped early would otherwise pull the end of the mean up or down.
    """
    found: dict[float, list[float]] = defaultdict(list)
    for epoch, score in (point for run in runs for point in run.scores):
        found[round(epoch, 4)].append(score)
    whole = {epoch: scores for epoch, scores in found.items() if len(scores) == len(runs)}
    return [(epoch, sum(scores) / len(scores)) for epoch, scores in sorted(whole.items())]


def mean_losses(runs: Sequence[RunCurves], term: str) -> list[Point]:
    """The mean of a term over runs and over each of `BINS` equal parts of the training.

    It ends where the first run stopped, as the scores do.
    """
    lines = [run.losses[term] for run in runs if run.losses.get(term)]
    end = min((max(epoch for epoch, _ in line) for line in lines), default=0.0)
    found: dict[int, list[float]] = defaultdict(list)
    for epoch, value in (point for line in lines for point in line if point[0] <= end):
        found[min(BINS - 1, int(BINS * epoch / end)) if end else 0].append(value)
    return [
        ((part + 0.5) * end / BINS, sum(values) / len(values))
        for part, values in sorted(found.items())
    ]
