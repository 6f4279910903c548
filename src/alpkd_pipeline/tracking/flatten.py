"""From run.json, `run` throughout, and event log to MLflow's parameters and tags."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import mask_credentials, plural
from alpkd_pipeline.store.diff import PATHS_WITHOUT_EFFECT, flat
from alpkd_pipeline.store.event_log import MEMORY

MAX_PARAM = 6000
MAX_TAG = 8000
"""MLflow's limits in characters; run.json, an artifact of the run, holds the whole values."""

TEACHER_BLOCKS = ("task", "teacher")
"""The parameters that a teacher depends on; the rest belongs to whichever student asked for it."""

NOTE_TAG = "mlflow.note.content"
"""The tag that MLflow shows as a run's description, in Markdown."""

UNTRACKED_BLOCKS = ("run", "compare")
"""Where results go and what is compared changes no result; an address may hold credentials."""

WHOLE = ("task.columns", "task.files", "task.teacher_columns")
"""Dictionaries that are one parameter: their names are a user's, which MLflow may not take."""


def training_id(key: str, first_event: Mapping[str, Any]) -> str:
    """What tells a training from every other, in files alone: its key and when it began."""
    return hashlib.sha256(f"{key} {first_event['time']}".encode()).hexdigest()[:32]


def selection_name(run: Mapping[str, Any]) -> str:
    """What the validation rows of this training are called, `dev` or `holdout`."""
    block = run["params"]["teacher"] if run["stage"] == "teacher" else run["params"]
    return str(block.get("training", {}).get("selection", "dev"))


def flat_params(run: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that are set and that a result depends on; a teacher's are in its own run."""
    params = _own_params(run)
    if run["stage"] == "student":
        params["teacher"] = {k: v for k, v in params["teacher"].items() if k != "training"}
    return {n: value for n, value in flat_values(params).items() if n not in PATHS_WITHOUT_EFFECT}


def flat_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Nested values under dotted names, as MLflow's parameters; none for what is not set."""
    return _texts(flat(values, whole=WHOLE), MAX_PARAM)


def _own_params(run: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of parameters that a training depends on."""
    params = run["params"]
    names = TEACHER_BLOCKS if run["stage"] == "teacher" else params.keys() - set(UNTRACKED_BLOCKS)
    return {name: params[name] for name in params if name in names}


def setup_id(run: Mapping[str, Any]) -> str:
    """What the runs share that differ in nothing but their seeds: 8 digits to group runs by."""
    params = _own_params(run)
    params["teacher"] = {k: v for k, v in params["teacher"].items() if k != "seed"}
    params.pop("seed", None)
    text = json.dumps([run["stage"], params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def run_tags(run: Mapping[str, Any]) -> dict[str, str]:
    """What people filter and group runs by; what does not apply is left out."""
    params, identity = run["params"], run["identity"]
    keys, provenance = identity.get("keys", {}), run.get("provenance", {})
    student = run["stage"] == "student"
    return _texts(
        {
            "stage": run["stage"],
            "task": run["task"]["name"],
            "method": params["method"]["name"] if student else None,
            "layers": params["student"]["layers"] if student else identity.get("teacher_layers"),
            "teacher_layers": identity.get("teacher_layers"),
            "seed": (params if student else params["teacher"]).get("seed"),
            "setup": setup_id(run),
            "key": identity["key"],
            "parent_key": keys.get("teacher") if student else None,
            "data_key": keys.get("splits"),
            "generation": identity.get("generation"),
            "git_dirty": provenance.get("git_dirty") or None,
            NOTE_TAG: note(run),
            "mlflow.source.name": "alpkd_pipeline",
            "mlflow.source.git.commit": provenance.get("git_commit"),
        }
    )


def event_tags(events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """What the event log says of hardware, of memory that was short, and of going on elsewhere."""
    tags: dict[str, str] = {}
    for event in events:
        if event["event"] == "start":
            facts = [event.get(name) for name in ("device", "device_name", "precision")]
            facts += [plural(event["threads"], "thread")] if "threads" in event else []
            tags["hardware"] = ", ".join(filter(None, facts))
        elif event["event"] == MEMORY:
            tags[f"rows_at_once.{event['doing']}"] = f"{event['rows']} of {event['instead_of']}"
        elif event["event"] == "resume" and (differs := event.get("differs")):
            told = (f"{name} {now} instead of {old}" for name, (old, now) in differs.items())
            tags["resumed_on"] = f"after step {event['after_step']}: {', '.join(told)}"
    return _texts(tags)


def folder_name(folder: Path, project: Path) -> str:
    """Where a folder lies, relative to the project."""
    # Not resolved: a folder of the store may be a link to another disk.
    place = Path(os.path.abspath(folder))
    return place.relative_to(project).as_posix() if place.is_relative_to(project) else place.name


def note(run: Mapping[str, Any], results: str = "", place: str = "") -> str:
    """The description in Markdown; what it came to and the folder are told once it is finished."""
    command = mask_credentials(run.get("command") or "")
    parts = [
        run.get("description", ""),
        results,
        f"Folder: `{place}`" if place else "",
        f"Repeat it with:\n\n```\n{command}\n```" if command else "",
    ]
    return _cut("\n\n".join(part for part in parts if part), MAX_TAG)


def _texts(values: Mapping[str, Any], limit: int = MAX_TAG) -> dict[str, str]:
    """Values as people write them, without those that are empty."""
    texts = {}
    for name, value in values.items():
        if value is not None and value not in ("", [], (), {}):
            plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            texts[name] = _cut(mask_credentials(plain), limit)
    return texts


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
