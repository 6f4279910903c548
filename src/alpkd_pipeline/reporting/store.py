"""Where the folders of a store lie, and what their small JSON files say. Reads no models."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.by_key import published, same_result, written_ns
from alpkd_pipeline.runs.manifest import MANIFEST, is_complete, read_json, read_manifest

log = logging.getLogger(__name__)

TEACHERS = "06_models/teachers"
STUDENTS = "06_models/students"
SCORES = ("07_model_output/scores", "07_model_output/evaluation")
"""Folders with scores.json; both hold the same dev scores, the second one all splits."""
LATENCY = "07_model_output/latency"
GEOMETRY = "07_model_output/geometry"
SIGNALS = "05_model_input/signals"

MOST_LOOKS = 5
"""How often a store is read whose folders are being renamed."""


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
    """

    path: Path
    key: str
    run: Mapping[str, Any]
    metrics: Mapping[str, Any]
    scores: Mapping[str, float]
    latencies: tuple[Mapping[str, Any], ...]
    geometry: Mapping[str, Any] | None = None

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


def finished_runs(store: Path, kind: str) -> Iterator[RunRecord]:
    """Every published run folder of a store, in the order of the paths.

    A folder that is still at work or half there is passed over. So is one that cannot be read,
    with a warning: a comparison must not fail because of one bad folder. Of two folders with one
    key, as a copy by hand makes them, only the first counts. Where folders are renamed or removed
    meanwhile, all is read again.

    Args:
        store: the folder of all results.
        kind: `TEACHERS` or `STUDENTS`.

    Raises:
        UserError: that does not end.
    """
    for _ in range(MOST_LOOKS):
        with suppress(_MovedError):
            return iter([*_finished_runs(store, kind)])
    raise UserError(
        f"folders of {store} are being renamed or removed: run the same command when that is over"
    )


class _MovedError(Exception):
    """A folder that was listed is gone."""


def _check_there(*folders: Path) -> None:
    if not all((folder / MANIFEST).is_file() for folder in folders):
        raise _MovedError


def _finished_runs(store: Path, kind: str) -> Iterator[RunRecord]:
    scored = _results(store, *SCORES)
    timed = _results(store, LATENCY)
    looked_at = _results(store, GEOMETRY) if kind == STUDENTS else {}
    seen: dict[str, Path] = {}
    for folder in published(store / kind):
        if not is_complete(folder):
            _check_there(folder)
            continue
        try:
            record = _read(folder, kind == STUDENTS, scored, timed, looked_at)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            results = (scored, timed, looked_at)
            _check_there(folder, *(r for found in results for some in found.values() for r in some))
            log.warning("%s is left out, its files cannot be read: %r", folder, error)
            continue
        if record.key in seen:
            if not same_result(folder, seen[record.key]):
                told = "%s is left out: it has the key of %s and other contents, see `kedro verify`"
                log.warning(told, folder, seen[record.key])
            continue
        seen[record.key] = folder
        yield record


def _results(store: Path, *places: str) -> dict[str, list[Path]]:
    """Key of a run -> the folders of results that were made from it, the newest first."""
    found: dict[str, list[Path]] = defaultdict(list)
    keys: set[tuple[str, str]] = set()
    for place in places:
        for folder in sorted(published(store / place), key=written_ns, reverse=True):
            manifest = read_manifest(folder)
            if manifest is None:
                _check_there(folder)
                continue
            made_from, key = manifest.get("made_from") or {}, (place, str(manifest.get("key")))
            for stage in ("teacher", "student"):
                if stage in made_from and key not in keys:
                    found[made_from[stage]].append(folder)
            keys.add(key)
    return found


def _read(
    folder: Path,
    student: bool,
    scored: Mapping[str, list[Path]],
    timed: Mapping[str, list[Path]],
    looked_at: Mapping[str, list[Path]],
) -> RunRecord:
    run, metrics = read_json(folder / "run.json"), read_json(folder / "metrics.json")
    key = run["identity"]["key"]
    evaluated = [read_json(result / "scores.json") for result in scored.get(key, [])[:1]]
    seen = [read_json(result / "geometry.json") for result in looked_at.get(key, [])[:1]]
    record = RunRecord(
        path=folder,
        key=key,
        run=run,
        metrics=metrics,
        scores=_dev_scores(run["task"], metrics, *evaluated),
        latencies=tuple(_latencies(timed.get(key, []))),
        geometry=seen[0] if seen else None,
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


def _latencies(folders: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    """What the measurements say; one that cannot be read is no reason to leave its run out."""
    for folder in folders:
        try:
            found = read_json(folder / "latency.json")
            if float(found["batch_1"]["p50_ms"]) > 0 and found["environment"].items():
                yield found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _check_there(folder)
            log.warning("%s is left out, it cannot be read: %r", folder, error)


def _dev_scores(
    task: Mapping[str, Any], metrics: Mapping[str, Any], *evaluated: Mapping[str, Any]
) -> dict[str, float]:
    """The evaluation's scores; before it those that chose the best epoch, if measured on dev."""
    found = dict(metrics.get("scores") or {})
    for evaluation in evaluated:
        found = {name: split["scores"] or {} for name, split in evaluation["splits"].items()}
    return {
        f"{split}.{metric}": float(found[split][metric])
        for split in task["dev_splits"]
        for metric in task["metrics"]
        if metric in found.get(split, {})
    }
