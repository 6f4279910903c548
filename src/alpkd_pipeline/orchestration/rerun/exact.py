"""The parameters of a rerun: those that were stored, with what `auto` became then."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.tracking.settings import TrackingSettings

RECORDED = ("device", "precision", "threads")
"""What results depend on to the last digit and what the parameters may have left open."""


def exact_parameters(
    original: StoredRun,
    project: Path,
    store: Path,
    settings: TrackingSettings | None,
    device: str | None = None,
) -> dict[str, Any]:
    """Everything that the rerun of a run is started with.

    Args:
        original: the run.
        project: the project in which it was made: its relative paths start here, and the rerun may
            happen in another folder.
        store: the fresh store.
        settings: where the rerun is tracked; None: nowhere.
        device: takes the place of the recorded one.
    """
    params: dict[str, Any] = copy.deepcopy(dict(original.run["params"]))
    teacher = original.teacher if original.stage == "student" else original
    own = original.environment
    _pin(params["training"], own, device)
    _pin(params["teacher"]["training"], teacher.environment if teacher else own, device)
    _make_absolute(params, project)
    # Only what every version knows, so that older commits accept it.
    params["run"] = {
        "store": str(store),
        "tracking": settings.uri if settings else "off",
        "experiment": settings.experiment if settings else "alpkd",
        "kind": "rerun",
    }
    return params


def _pin(training: dict[str, Any], environment: Mapping[str, Any], device: str | None) -> None:
    for name in RECORDED:
        if environment.get(name) is not None:
            training[name] = environment[name]
    if device is not None:
        training["device"] = device


def _make_absolute(params: dict[str, Any], project: Path) -> None:
    task = params["task"]
    if task["source"] == "folder" and task.get("path") is None:
        task["path"] = os.environ.get("ALPKD_GLUE_DIR") or "data/01_raw/glue"
    if task["source"] == "table" or task.get("path") is not None:
        task["path"] = str(project / Path(task.get("path") or "").expanduser())
    for block, name in ((params["teacher"], "model"), (params["student"], "checkpoint")):
        folder = project / Path(block.get(name) or "no model").expanduser()
        if folder.is_dir():
            block[name] = str(folder)
