from __future__ import annotations

from pathlib import Path

import pytest
import torch

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.runner import check_devices
from alpkd_pipeline.store.artifact import ResolvedExperiment

GONE = f"cuda:{torch.cuda.device_count()}"
"""A device that no machine has under this number."""


def experiment(student: str = "auto", teacher: str = "auto") -> ResolvedExperiment:
    params = {"training": {"device": student}, "teacher": {"training": {"device": teacher}}}
    return ResolvedExperiment({}, params, Path(), Path())


@pytest.mark.parametrize("asked", [{"student": GONE}, {"teacher": GONE}])
def test_a_device_that_is_not_there_is_refused(asked: dict[str, str]) -> None:
    everything = ("splits", "teacher", "signals", "student")
    with pytest.raises(UserError, match=f"'{GONE}': this machine has no such device"):
        check_devices(everything, experiment(**asked))


def test_only_stages_that_will_run_are_asked() -> None:
    check_devices(("splits", "teacher", "signals"), experiment(student=GONE, teacher="cpu"))
    check_devices(("splits", "student"), experiment(student="cpu", teacher=GONE))
    with pytest.raises(UserError):
        check_devices(("signals",), experiment(student="cpu", teacher=GONE))
