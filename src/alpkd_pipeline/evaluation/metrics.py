"""Scores through `evaluate.Metric`: our own metrics, and after them modules of the user's own.

The only file that imports evaluate; evaluations alone import it, since that takes seconds.
"""

from __future__ import annotations

import math
import reprlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import evaluate
import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.metrics import Judge, folder_digest, score_predictions
from alpkd_pipeline.tasks.task import Task

INPUTS = {"predictions", "references"}
NUMBERS = {"int", "uint", "float"}


class TaskMetric(evaluate.Metric):
    """A task's metrics as users of `evaluate` know them: the scores of `tasks.metrics`, no hub."""

    def __init__(self, task: Task, **options: Any) -> None:
        """Options are those of `evaluate.Metric`; answers are kept in memory by default."""
        self._task = task
        super().__init__(config_name=task.name, **{"keep_in_memory": True, **options})

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("float64" if self._task.kind == "regression" else "int64")
        features = datasets.Features(dict.fromkeys(sorted(INPUTS), value))
        return evaluate.MetricInfo(description=self._task.name, citation="", features=features)

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        return score_predictions(self._task, np.asarray(predictions), np.asarray(references))


@contextmanager
def scoring(task: Task, own: Mapping[Path, str]) -> Iterator[Judge]:
    """What scores given answers by a task's metrics and by the user's own, as `score_predictions`
    does.

    `own` are the folders of the user's own metrics and their digests. A number that one returns is
    a score of its name, of several each is a score `<name>.<what it is called there>`. A metric
    that fails or returns no numbers is a UserError.

    Raises:
        UserError: a module cannot be loaded, asks for other answers, or was edited meanwhile.
    """
    with _scratch() as cache:
        ours = TaskMetric(task, cache_dir=cache)
        modules = {folder.name: _loaded(folder, own[folder], task, cache) for folder in own}

        def score(_task: Task, given: np.ndarray, labels: np.ndarray) -> dict[str, float]:
            scores: dict[str, float] = ours.compute(predictions=given, references=labels)
            for name, module in modules.items():
                scores |= _own_scores(name, module, given, labels)
            return scores

        yield score


@contextmanager
def _scratch() -> Iterator[str]:
    """A folder for what evaluate would write into the user's home, and never remove."""
    home = evaluate.config.HF_MODULES_CACHE
    with TemporaryDirectory(prefix="alpkd-metrics-") as folder:
        evaluate.config.HF_MODULES_CACHE = folder
        sys.path.insert(0, folder)  # before the user's own, if somebody has loaded modules there
        _forget_modules()
        try:
            yield folder
        finally:
            evaluate.config.HF_MODULES_CACHE = home
            sys.path.remove(folder)
            _forget_modules()


def _forget_modules() -> None:
    """Python would look for all further modules in the folder in which it found the first."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "evaluate_modules"]:
        del sys.modules[name]


def _loaded(folder: Path, digest: str, task: Task, cache: str) -> evaluate.EvaluationModule:
    try:
        module = evaluate.load(str(folder), cache_dir=cache, keep_in_memory=True)
    except Exception as error:
        what = "a module of the library evaluate has a class derived from evaluate.Metric"
        raise UserError(f"{folder} cannot be loaded: {_line(error)}; {what}") from error
    if folder_digest(folder) != digest:
        raise UserError(f"the metric {folder} was changed since this command began: run it again")
    _check_inputs(folder, module, task)
    module.seed = 0  # random numbers of its own would be others each time
    return module


def _check_inputs(folder: Path, module: evaluate.EvaluationModule, task: Task) -> None:
    """Refuse a module that asks for anything but numbers, or whole ones where they would be cut."""
    options = module.features if isinstance(module.features, list) else [module.features]
    fitting = (option.values() for option in options if option and set(option) == INPUTS)
    types = ({str(getattr(v, "dtype", v)).rstrip("0123456789") for v in o} for o in fitting)
    # Of several the library takes the first that it can fill.
    first = next((t for t in types if t <= NUMBERS), {"none"})
    if not first <= ({"float"} if task.kind == "regression" else NUMBERS):
        kind = "float64" if task.kind == "regression" else "int64"
        raise UserError(
            f"the metric {folder} takes {options[0]}; '{task.name}' gives `predictions` and"
            f" `references`, one number a row: declare both as datasets.Value('{kind}')"
        )


def _own_scores(
    name: str, module: evaluate.EvaluationModule, given: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    try:
        found: Any = module.compute(predictions=given, references=labels)
    except Exception as error:
        raise UserError(f"the metric '{name}' failed: {_line(error)}") from error
    values = found if isinstance(found, Mapping) and found else {name: found}
    numbers = [v for v in values.values() if isinstance(v, Real) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not all(map(math.isfinite, numbers)):
        what = reprlib.repr(found)
        raise UserError(f"the metric '{name}' returned {what}: a score is a finite number")
    alone = len(values) == 1
    return {name if alone else f"{name}.{key}": float(v) for key, v in values.items()}


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
