"""Metric points out of event log events and scores; the same line gives the same point each time.

A point carries the time and the step of its event log line. SQL stores take (run, name, time, step,
value) as the identity of a point, so that pushing a line again changes nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import mask_credentials
from alpkd_pipeline.store.event_log import sealed_events
from alpkd_pipeline.store.layout import SCORES
from alpkd_pipeline.store.run_folder import METRICS, RunFolder, input_place, written_ns
from alpkd_pipeline.tasks.glue import HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tasks.metrics import own_scores
from alpkd_pipeline.tasks.task import UNLABELLED
from alpkd_pipeline.tracking.flatten import run_tags

MAX_POINTS = 1000
"""MLflow refuses larger batches of metrics."""

RESULT_STEP = 0
"""The step of what is known once, at the end. MLflow draws bars of metrics that have step 0 alone,
and a lonely dot at the end of an axis for any other step."""

SYSTEM = ("memory_mb", "cpu_percent", "gpu_memory_mb", "gpu_percent", "data_percent")
"""What of a step belongs on MLflow's page of system metrics."""

_ODD_CHARACTERS = re.compile(r"[^\w.\- ]")
_NOT_FINITE = ("nan", "inf", "-inf")


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one metric; the time is in milliseconds since the epoch."""

    name: str
    value: float
    time_ms: int
    step: int


def time_ms(event: Mapping[str, Any]) -> int:
    """An event's time in milliseconds since the epoch."""
    return round(float(event["time"]) * 1000)


def event_points(event: Mapping[str, Any], selection: str) -> list[Point]:
    """The points of one event log line; lines other than `step` and `eval` have none. What stands
    before a `/`, such as what the validation rows are called, is a section of charts."""
    if event["event"] == "eval":
        attention = event.get("attention") or {}
        watched = {"attention_entropy": attention.get("entropy")}
        sections, once = {f"{selection}/": event.get("scores"), "watch.": watched}, {}
    elif event["event"] == "step":
        values = {k: v for k, v in event.items() if k not in {"event", "time", "step", "weighted"}}
        sections = {"loss/": values.pop("loss", None), "watch.": values.pop("watch", None)}
        sections["system/"] = {name: values.pop(name) for name in SYSTEM if name in values}
        once = {"gradient": values.pop("gradients", None)}
        sections["train/"] = values
    else:
        return []
    at = time_ms(event), int(event["step"])
    points = [point for name, found in sections.items() for point in points_of(found, *at, name)]
    return points + points_of(once, at[0], RESULT_STEP)


def closing_points(metrics: Mapping[str, Any], at_ms: int) -> list[Point]:
    """What a finished training came to, from its metrics.json, as points at `RESULT_STEP`."""
    values = {name: metrics.get(name) for name in ("parameters", "seconds", UNLABELLED)}
    return points_of({**values, "best.epoch": metrics.get("best_epoch")}, at_ms, RESULT_STEP)


def new_batches(
    events: Iterable[Mapping[str, Any]],
    selection: str,
    pushed: Mapping[str, int],
    limit: int = MAX_POINTS,
) -> Iterator[tuple[list[Point], dict[str, int]]]:
    """Batches of the points that are not yet pushed, whole events only, and what is pushed then.

    A resumed training writes some of its steps again; the first line of a step counts. `pushed` is
    the last step pushed of each kind of event.
    """
    done, points = dict(pushed), list[Point]()
    for event in events:
        kind, found = event["event"], event_points(event, selection)
        if not found or event["step"] <= done.get(kind, -1):
            continue
        if points and len(points) + len(found) > limit:
            yield points, dict(done)
            points = []
        points += found
        done[kind] = event["step"]
    if points:
        yield points, dict(done)


def points_of(values: Any, at_ms: int, step: int, section: str = "") -> list[Point]:
    """The numbers of a structure as points of one moment; `section` stands before their names."""
    return [Point(f"{section}{name}", value, at_ms, step) for name, value in _numbers(values)]


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a structure under dotted names that MLflow takes; lists count from 1."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value, start=1):
            yield from _numbers(inner, f"{name}.{place}")
    # The event log writes values that are not finite as text.
    elif (isinstance(value, int | float) and not isinstance(value, bool)) or value in _NOT_FINITE:
        yield _ODD_CHARACTERS.sub("_", name), float(value)


def dataset_facts(
    run: Mapping[str, Any], digests: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """What MLflow is told of the train split and the first dev split; empty without the data's key.

    By use, `train` or `dev`. The digest is of the split's sha256 or, without one, the data's key;
    MLflow can turn the source's JSON back into a source of that type.
    """
    data_key = run["identity"].get("keys", {}).get("splits")
    if not data_key:
        return {}
    task = run["task"]
    source_type, source = _source(run["params"]["task"])
    label = "double" if task.get("kind") == "regression" else "long"
    types = {**dict.fromkeys(task.get("text_columns", []), "string"), "label": label}
    columns = [{"type": kind, "name": name, "required": True} for name, kind in types.items()]
    return {
        context: {
            "name": f"{task['name']}-{split}",
            "digest": (digests or {}).get(split, data_key)[:12],
            "source_type": source_type,
            "source": mask_credentials(json.dumps(source)),
            "schema": json.dumps({"mlflow_colspec": columns}),
        }
        for context, split in {"train": "train", "dev": task.get("dev_splits", ["dev"])[0]}.items()
    }


def _source(params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    kind = params.get("source")
    if kind == "hub":
        return "hugging_face", {
            "path": params.get("dataset") or HUB_DATASET,
            "config_name": params.get("config") or params.get("name"),
            "revision": params.get("revision") or (None if params.get("dataset") else HUB_REVISION),
        }
    if kind in {"folder", "table"}:
        files = params.get("files")
        glue = f"$ALPKD_GLUE_DIR/{params.get('name')}"
        return "local", {"uri": params.get("path") or (json.dumps(files) if files else glue)}
    return "code", {"tags": {"mlflow.source.name": f"alpkd_pipeline: {kind}"}}


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of a saved model."""

    key: str  # of the scores, and of the evaluation that `own` is from
    # split -> metric -> score, splits with known labels only, the primary one first
    splits: Mapping[str, Mapping[str, float]]
    # the same of the user's own metrics, of these splits
    own: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    own_ms: int = 0  # when the evaluation was sealed, in milliseconds since the epoch


def find_scores(folder: Path) -> Scored | None:
    """The newest scores of a finished run folder, by own metrics too; or raises DamagedError."""
    if len(folder.parents) < 4:
        return None
    newest, evaluation = map(RunFolder(folder).newest, SCORES)
    if newest is None:
        return None
    splits = newest.json("scores.json")["splits"]
    known = {name: facts["scores"] for name, facts in splits.items() if facts["scores"]}
    if not known:
        return None
    found = own_scores(evaluation.json("scores.json")) if evaluation else {}
    own = {split: found[split] for split in known if found.get(split)}
    if evaluation is None or not own:
        return Scored(newest.key, known)
    sealed_ms = written_ns(evaluation.path) // 1_000_000
    return Scored(f"{newest.key}+{evaluation.key}", known, own, sealed_ms)


def final_points(folder: Path, run: Mapping[str, Any], scored: Scored) -> list[Point]:
    """A model's scores as metrics, at the time of its training's end. MLflow shows the latest
    value: the user's own metrics have the time of their evaluation."""
    at_ms = max(map(time_ms, sealed_events(RunFolder(folder))), default=0)
    first, primary = next(iter(scored.splits.values())), run["task"]["metrics"][0]
    values = {"score": first.get(primary), "final": scored.splits}
    own = points_of({"final": scored.own}, scored.own_ms, RESULT_STEP)
    return points_of(values, at_ms, RESULT_STEP) + own


def results_table(folder: Path, run: Mapping[str, Any]) -> str:
    """Teacher and student in a Markdown table: layers, parameters, scores, seconds."""
    rows = list(_rows(folder, run))
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names)]
    lines += [[row.get(name, "-") for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(folder: Path, run: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    if run["stage"] == "student":
        path = input_place(folder, run.get("inputs", {}).get("teacher", "nowhere"))
        teacher = RunFolder(path)
        if teacher.is_there:
            yield from _rows(path, teacher.run)
    finished, scored = RunFolder(folder), find_scores(folder)
    metrics, primary = finished.metrics if finished.has(METRICS) else {}, run["task"]["metrics"][0]
    total, seconds = metrics.get("parameters", {}).get("total"), metrics.get("seconds")
    # Of the saved model, or else of the best epoch.
    splits = scored.splits if scored else metrics.get("scores", {})
    found = {f"{split} {primary}": scores.get(primary) for split, scores in splits.items()}
    yield {
        "model": run["stage"],
        "layers": run_tags(run).get("layers", "-"),
        "parameters": "-" if total is None else f"{total / 1e6:.2f} M",
        **{name: f"{score:.4f}" for name, score in found.items() if isinstance(score, int | float)},
        "training": "-" if seconds is None else f"{seconds:.0f} s",
    }
