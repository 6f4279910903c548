"""Start a student's training, stop it after some steps, print the memory that it held.

    python benchmarks/speed/watched_training.py FOLDER STEPS

FOLDER is one that `large_rows.py` has made. Prints one JSON object: for each stage of STAGES what
`memory` saw. `memory.py` starts this in a process of its own. Linux only.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.sources.demo import TASK
from alpkd_pipeline.training import run as run_module
from alpkd_pipeline.training import student
from alpkd_pipeline.training.batching import Batch
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.run_config import read_config

STAGES = {
    "built": "models loaded, signals and encoded rows opened, rows chosen",
    "opened": "the tokens of all rows looked at",
    "ordered": "the first epoch's batches are drawn",
    "end": "after the last step",
}
LINES = {"VmHWM": "peak", "VmRSS": "now", "RssAnon": "own", "RssFile": "mapped"}


class _EnoughError(Exception):
    """The steps that were asked for are done."""


def watched(folder: Path, steps: int) -> dict[str, dict[str, float]]:
    """Train as a run does, up to a number of steps; what was held at each stage, MB."""
    seen: dict[str, dict[str, float]] = {}
    step_of: dict[str, Any] = {}
    write, fit = student.train_and_write, run_module.fit

    def built(*args: Any, **parts: Any) -> Any:
        seen["built"] = memory()
        return write(*args, **parts)

    def opened(learner: Learner, *args: Any, **parts: Any) -> Any:
        seen["opened"] = memory()
        step_of.update(real=learner.step, done=0)
        return fit(replace(learner, step=counted), *args, **parts)

    def counted(batch: Batch) -> LossTerms:
        if step_of["done"] == 0:
            seen["ordered"] = memory()
        if step_of["done"] == steps:
            raise _EnoughError
        step_of["done"] += 1
        return step_of["real"](batch)

    inputs = {name: folder / name for name in ("encoded", "teacher", "signals")}
    params = read_json(folder / "params.json")
    facts = {"stage": "student", "name": "watched", "task": TASK.to_dict(), "params": params}
    run = read_config(Work(folder / "run", facts).begin(**inputs))
    with patch.object(student, "train_and_write", built), patch.object(run_module, "fit", opened):
        try:
            student.train_student(run)
        except _EnoughError:
            seen["end"] = memory()
    return seen


def memory() -> dict[str, float]:
    """What this process holds, in MB of 10^6 bytes.

    `ru_maxrss` is told for comparison: Linux hands it on from the process that started this one,
    while VmHWM (`peak`) begins anew.
    """
    status = Path("/proc/self/status").read_text("utf-8").splitlines()
    kilobytes = {
        name: value.split()[0]
        for name, _, value in (s.partition(":") for s in status)
        if name in LINES
    }
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        **{name: int(kilobytes[line]) * 1024 / 1e6 for line, name in LINES.items()},
        "ru_maxrss": most * 1024 / 1e6,
    }


if __name__ == "__main__":
    print(json.dumps(watched(Path(sys.argv[1]), int(sys.argv[2]))))
