"""Whether this machine has the devices that a run asks for, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kedro.pipeline import Pipeline

from alpkd_pipeline.datasets.work import WorkDataset

ALWAYS_THERE = {"auto", "cpu"}

TEACHER = ("teacher", "training")
DEVICE_OF = {"teacher": TEACHER, "signals": TEACHER, "student": ("training",)}
"""Where a stage's parameters name its device."""


def check_devices(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a device that is not there; without this a student's is missed after its teacher.

    Args:
        pipeline: the nodes that will run.
        catalog: has their work folders.

    Raises:
        UserError: names the device.
    """
    asked = {device for name in pipeline.inputs() for device in _devices(catalog.get(name))}
    if not asked - ALWAYS_THERE:
        return
    from alpkd_pipeline.training.devices import resolve_hardware

    for device in sorted(asked - ALWAYS_THERE):
        resolve_hardware(device, "auto", "auto")


def _devices(dataset: object) -> set[str]:
    if not isinstance(dataset, WorkDataset):
        return set()
    stage = dataset.facts.get("stage")
    if stage not in DEVICE_OF:
        return set()
    block: Mapping[str, Any] = dataset.facts["params"]
    for name in DEVICE_OF[stage]:
        block = block[name]
    return {str(block["device"])}
