"""Frames as `run_frame` returns them, from scores alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from alpkd_pipeline.reporting.grouping import add_settings
from alpkd_pipeline.reporting.statistics import arms as statistics_arms
from alpkd_pipeline.reporting.statistics.judge import Judge
from alpkd_pipeline.reporting.statistics.power import add_detectable
from alpkd_pipeline.reporting.statistics.verdict import best, verdicts
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.reporting.tables.scores import main_frame, main_lines
from alpkd_pipeline.reporting.tables.verdicts import verdict_frame


def run(
    method: str,
    score: float,
    seed: int = 0,
    *,
    task: str = "mrpc",
    layers: int = 4,
    teacher_seed: int = 0,
    teacher_score: float | None = 0.9,
    teacher: str = "t",
    tuned: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """One student. `more` are facts, with `__` for the dot, and columns of `run_frame` without."""
    # The code of a student differs from method to method, as it does in real runs.
    facts = {
        "task.name": task,
        "student.layers": str(layers),
        "method.name": method,
        "training.lr": "0.0004",
        "training.epochs": "5",
        "teacher.seed": str(teacher_seed),
        "code": f'"code of {method}"',
        "key.encoded": '"e"',
        "key.teacher": f'"{teacher}{task}{teacher_seed}"',
        "key.signals": f'"s{teacher_seed}"',
    }
    own = {name: value for name, value in more.items() if "__" not in name}
    facts |= {name.replace("__", "."): str(v) for name, v in more.items() if "__" in name}
    row = {
        "task": task,
        "method": method,
        "layers": layers,
        "seed": seed,
        "teacher_seed": teacher_seed,
        "score": score,
        "metric": "accuracy",
        "teacher": f"{task}-teacher-demo-s{teacher_seed}-{teacher_seed:04x}",
        "teacher_differs": "",
        "teacher_score": teacher_score,
        "parameters": 400_000,
        "teacher_parameters": 600_000,
        "speed_up": None,
        "latency_ms": None,
        "timed_on": "here",
        "key": f"{task}/{method}/{layers}/{seed}/{teacher_seed}/{len(more)}",
        **own,
    }
    return {"row": row, "facts": facts, "tuned": tuned}


def seeds(method: str, scores: Iterable[float], **options: Any) -> list[dict[str, Any]]:
    """One student for each score, with the seeds 0, 1, 2, ..."""
    return [run(method, score, seed, **options) for seed, score in enumerate(scores)]


def frame(*runs: dict[str, Any] | list[dict[str, Any]]) -> pd.DataFrame:
    """The comparison's frame of these runs."""
    each = [one for given in runs for one in (given if isinstance(given, list) else [given])]
    rows = [dict(one["row"]) for one in each]
    add_settings(rows, [one["facts"] for one in each], [one["tuned"] for one in each])
    whole = ("layers", "seed", "teacher_seed", "parameters", "teacher_parameters")
    real = ("score", "teacher_score", "speed_up", "latency_ms")
    return pd.DataFrame(rows).astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(real, "float64"))


def arms(experiments: pd.DataFrame) -> list[dict[Any, Any]]:
    """The arms of these runs."""
    told = experiments.astype(object)
    return statistics_arms.arms(told.where(told.notna(), None).to_dict("records"))


def judge_of(
    experiments: pd.DataFrame, predictions: dict[str, Any] | None = None, **plan: Any
) -> Judge:
    """What judges these runs."""
    return Judge(arms(experiments), Plan(**plan), predictions or {})


def verdicts_of(
    experiments: pd.DataFrame, predictions: dict[str, Any] | None = None, **plan: Any
) -> pd.DataFrame:
    """The verdicts on these runs."""
    judge = judge_of(experiments, predictions, **plan)
    return verdict_frame(add_detectable(verdicts(judge), judge.plan))


def bests_of(experiments: pd.DataFrame, **plan: Any) -> pd.DataFrame:
    """The best arms of these runs."""
    return pd.DataFrame(best(judge_of(experiments, **plan)))


def main_lines_of(experiments: pd.DataFrame, *collapsed: str) -> list[dict[str, Any]]:
    """The lines of the main table of these runs, some of which say the same of every row."""
    return main_lines(
        experiments, arms(experiments), best(judge_of(experiments)), collapsed=collapsed
    )


def main_long_of(experiments: pd.DataFrame) -> pd.DataFrame:
    """The main table of these runs."""
    return main_frame(main_lines_of(experiments))
