"""Whether this machine has the devices that a run asks for, before anything is made."""

from __future__ import annotations

from collections.abc import Iterable

from alpkd_pipeline.runs.artifact import Experiment

ALWAYS_THERE = {"auto", "cpu"}

TEACHER = "teacher.training.device"
DEVICE_OF = {"teacher": TEACHER, "signals": TEACHER, "student": "training.device"}
"""The parameter that names a stage's device."""


def check_devices(results: Iterable[str], experiment: Experiment) -> None:
    """Refuse a device that is not there; without this a student's is missed after its teacher.

    Args:
        results: the names of what will be made.
        experiment: has the parameters.

    Raises:
        UserError: names the device.
    """
    asked = {experiment.param(DEVICE_OF[name]) for name in results if name in DEVICE_OF}
    if not asked - ALWAYS_THERE:
        return
    from alpkd_pipeline.training.devices import resolve_hardware

    for device in sorted(asked - ALWAYS_THERE):
        resolve_hardware(device, "auto", "auto")
