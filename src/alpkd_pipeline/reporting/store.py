"""Where the folders of a store lie, and what their small JSON files say. Reads no models."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.program import as_typed
from alpkd_pipeline.store.by_key import same_result
from alpkd_pipeline.store.finished import (
    Damage,
    DamagedError,
    FinishedFolder,
    finished_below,
    newest_first,
    noted,
)
from alpkd_pipeline.tasks.own_metrics import own_scores

log = logging.getLogger(__name__)

TEACHERS = "06_models/teachers"
STUDENTS = "06_models/students"
SCORES = ("07_model_output/scores", "07_model_output/evaluation")
"""Folders with scores.json; both hold the same dev scores, the second all splits and metrics."""
LATENCY = "07_model_output/latency"
GEOMETRY = "07_model_output/geometry"
SIGNALS = "05_model_input/signals"

MOST_LOOKS = 5
"""How often a store is read whose folders are being renamed."""

READ = {
    SIGNALS: ("signals.json",),
    TEACHERS: ("run.json", "metrics.json"),
    STUDENTS: ("run.json", "metrics.json", "events.jsonl"),
    **dict.fromkeys(SCORES, ("scores.json",)),
    LATENCY: ("latency.json",),
    GEOMETRY: ("geometry.json",),
}
"""What a comparison is made from, and what it reads of it."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a finished training and its evaluation left behind.

    Attributes:
        path: the run folder.
        key: the key of the run.
        run: its run.json.
        metrics: its metrics.json.
        scores: dev scores as `<split>.<metric>` -> value, the deciding one first; empty when the
            run was neither evaluated nor measured on dev while it trained.
        latencies: what each latency.json of the run says, the newest first.
        geometry: the newest geometry.json of a student, None if its layers were not looked at.
        own_metrics: the user's own metrics among the scores -> the digests of their folders.
    """

    path: Path
    key: str
    run: Mapping[str, Any]
    metrics: Mapping[str, Any]
    scores: Mapping[str, float]
    latencies: tuple[Mapping[str, Any], ...]
    geometry: Mapping[str, Any] | None = None
    own_metrics: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of everything that the run was made from, and its own."""
        return self.run["identity"].get("keys") or {}

    @property
    def deciding_metric(self) -> str:
        """The metric that ranks the models of this task."""
        return str(self.run["task"]["metrics"][0])

    @property
    def deciding_score(self) -> float | None:
        """The deciding metric on the first dev split."""
        return self.scores.get(f"{self.run['task']['dev_splits'][0]}.{self.deciding_metric}")


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
    """Every published run folder of a store, in the order of the paths.

    A folder that is still at work is passed over. So is one that was finished in another shape,
    with a warning: a comparison must not fail because of one of another version. Of two folders
    with one key, as a copy by hand makes them, only the first counts. Where folders are renamed
    or removed meanwhile, all is read again.

    Args:
        store: the folder of all results.
        kind: `TEACHERS` or `STUDENTS`.

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


def _check_there(*folders: FinishedFolder) -> None:
    if not all(folder.is_there for folder in folders):
        raise _MovedError


def _finished_runs(store: Path, kind: str) -> Iterator[RunRecord]:
    scored, evaluated = (_results(store, place) for place in SCORES)
    timed = _results(store, LATENCY)
    looked_at = _results(store, GEOMETRY) if kind == STUDENTS else {}
    seen: dict[str, Path] = {}
    for folder in finished_below(store / kind, "*/*"):
        try:
            folder.check_sizes()
            record = _read(folder, kind == STUDENTS, scored, evaluated, timed, looked_at)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            results = (scored, evaluated, timed, looked_at)
            _check_there(folder, *(r for found in results for some in found.values() for r in some))
            log.warning("%s is left out, its files cannot be read: %r", folder.path, error)
            continue
        if record.key in seen:
            if not same_result(folder.path, seen[record.key]):
                told = "%s is left out: it has the key of %s and other contents, see `%s`"
                log.warning(told, folder.path, seen[record.key], as_typed("kedro verify"))
            continue
        seen[record.key] = folder.path
        yield record


def _results(store: Path, place: str) -> dict[str, list[FinishedFolder]]:
    """Key of a run -> the folders of results that were made from it, the newest first."""
    found: dict[str, list[FinishedFolder]] = defaultdict(list)
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


def _read(
    folder: FinishedFolder,
    student: bool,
    scored: Mapping[str, list[FinishedFolder]],
    evaluated: Mapping[str, list[FinishedFolder]],
    timed: Mapping[str, list[FinishedFolder]],
    looked_at: Mapping[str, list[FinishedFolder]],
) -> RunRecord:
    run, metrics = folder.json("run.json"), folder.json("metrics.json")
    key = run["identity"]["key"]
    newest = [*scored.get(key, [])[:1], *evaluated.get(key, [])[:1]]
    found = [result.json("scores.json") for result in newest]
    seen = [result.json("geometry.json") for result in looked_at.get(key, [])[:1]]
    record = RunRecord(
        path=folder.path,
        key=key,
        run=run,
        metrics=metrics,
        scores=_dev_scores(run["task"], metrics, found),
        latencies=tuple(_latencies(timed.get(key, []))),
        geometry=seen[0] if seen else None,
        own_metrics=dict(found[-1].get("metrics") or {}) if found else {},
    )
    _check(record, student)
    return record


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


def _latencies(folders: Iterable[FinishedFolder]) -> Iterator[Mapping[str, Any]]:
    """What the measurements say; one of another shape is no reason to leave its run out."""
    for folder in folders:
        try:
            found = folder.json("latency.json")
            if float(found["batch_1"]["p50_ms"]) > 0 and found["environment"].items():
                yield found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _check_there(folder)
            log.warning("%s is left out, it cannot be read: %r", folder.path, error)


def _dev_scores(
    task: Mapping[str, Any], metrics: Mapping[str, Any], scored: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """The saved model's scores; before it was scored those that chose its epoch, if on dev."""
    found = dict(metrics.get("scores") or {})
    if scored:
        found = {name: split["scores"] or {} for name, split in scored[0]["splits"].items()}
    own = own_scores(scored[-1]) if scored else {}
    scores = {
        f"{split}.{metric}": found[split][metric]
        for split in task["dev_splits"]
        for metric in task["metrics"]
        if metric in found.get(split, {})
    }
    for split in task["dev_splits"]:
        scores |= {f"{split}.{metric}": value for metric, value in own.get(split, {}).items()}
    return {name: float(value) for name, value in scores.items()}
