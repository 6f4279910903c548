"""What a sweep costs beside its trainings: planning 2,000 experiments, and each warm experiment.

    python benchmarks/sweep_overhead.py
    python benchmarks/sweep_overhead.py --tracking sqlite --cells 12

Plans a grid of the demo over an empty store, and over one where every experiment is done. Then
makes a few experiments with very short trainings in one worker, and prints how much longer each of
them took than `seconds` in its metrics.json: keys, catalog, the encoded splits, loading and saving
models, scores, tracking. The first experiment, for which the worker imports torch, is printed
apart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from alpkd_pipeline.experiments.campaign import TrackedGroup
from alpkd_pipeline.experiments.engines import LocalEngine
from alpkd_pipeline.experiments.grid import SweepSpec, expand
from alpkd_pipeline.experiments.jobs import Event, run_jobs
from alpkd_pipeline.experiments.plan import Plan, make_plan
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.store.manifest import read_json, seal

PROJECT = Path(__file__).parents[1]
METHODS = ["no_kd", "kd", "pkd", "alp_kd"]
LARGE = {"tasks": ["demo"], "methods": METHODS, "layers": [6, 4, 3, 2, 1], "seeds": range(100)}


def planned(spec: dict[str, Any], given: dict[str, Any]) -> tuple[Plan, tuple[float, float]]:
    """A plan, and from conf/ to it the seconds that passed and those that a processor worked."""
    session: Any
    with KedroSession.create(PROJECT, runtime_params=given, save_on_close=False) as session:
        loader: ExperimentConfigLoader = session.load_context().config_loader
    began = time.perf_counter(), time.process_time()
    values = {**spec, "seeds": list(spec["seeds"])}
    grid = expand(SweepSpec.parse(values), loader.conf, PROJECT, None, loader.runtime_params)
    plan = make_plan(grid)
    return plan, (time.perf_counter() - began[0], time.process_time() - began[1])


def measure_planning(store: Path) -> None:
    """Print the time for 2,000 experiments that are all to do, then all done."""
    given = {"run": {"store": str(store), "tracking": "off"}}
    plan, _ = planned(LARGE, given)
    tell_planning(plan, "none there", planned(LARGE, given)[1])
    for experiment in (p.experiment for p in plan.experiments):
        experiment.student_scores.path.mkdir(parents=True)
        (experiment.student_scores.path / "scores.json").write_text("{}")
        seal(
            experiment.student_scores.path,
            {"stage": "student_scores", "key": experiment.student_scores.key},
        )
    tell_planning(plan, "all there", planned(LARGE, given)[1])


def tell_planning(plan: Plan, what: str, seconds: tuple[float, float]) -> None:
    """One line; on a busy machine more time passes than the processor works."""
    passed, worked = seconds
    print(
        f"plan of {len(plan.experiments)} experiments, {what}: {passed:.2f} s ({worked:.2f} s of"
        f" processor)"
    )


def measure_experiments(store: Path, tracking: str, experiments: int) -> None:
    """Print the time of a few experiments beside their trainings, one after the other."""
    short = {"task": {"train_rows": 200}, "training": {"epochs": 1}}
    run = {"store": str(store), "tracking": tracking, "group": "sweep-overhead"}
    given = {**short, "teacher": {"training": {"epochs": 1}}, "run": run}
    seeds = range(-(-experiments // len(METHODS)))
    spec = {"tasks": ["demo"], "methods": METHODS, "layers": [2], "seeds": seeds}
    plan, _ = planned({**spec, "teacher_seeds": [0], "measure": False}, given)
    TrackedGroup(plan.experiments[0].experiment.params.run, "sweep-overhead", PROJECT).open(
        "sweep", "", {}
    )
    jobs = [step.job for step in plan.steps][: experiments + 2]
    with LocalEngine(PROJECT, None, 1, logs=store / "logs") as engine:
        outcomes = run_jobs(jobs, engine, tell).outcomes
    took = {o.job.name: o.seconds for o in outcomes if o.state == "done"}
    extra = list(beside_training(plan, took))
    print(f"{len(extra)} warm experiments, tracking {tracking}, beside their trainings:")
    spread = f"{min(extra):.2f} to {max(extra):.2f}"
    print(f"  median {statistics.median(extra):.2f} s ({spread} s)")


def beside_training(plan: Plan, took: dict[str, float]) -> Iterator[float]:
    """Seconds of each experiment that were not its training."""
    for step in plan.of_kind("cell"):
        if step.job.name in took:
            training = read_json(step.experiment.student.path / "metrics.json")["seconds"]
            yield took[step.job.name] - training


def tell(event: Event) -> None:
    """One line per job."""
    if event.outcome is not None:
        error = f" {event.outcome.error}" if event.outcome.error else ""
        print(f"  {event.outcome.seconds:6.2f} s  {event.job.name} {event.outcome.state}{error}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracking", default="off", help="off, sqlite, or an address")
    parser.add_argument("--cells", type=int, default=8)
    asked = parser.parse_args()
    bootstrap_project(PROJECT)
    with tempfile.TemporaryDirectory() as folder:
        tracking = asked.tracking
        if tracking == "sqlite":
            tracking = f"sqlite:///{folder}/mlflow.db"
        measure_planning(Path(folder) / "planned")
        measure_experiments(Path(folder) / "made", tracking, asked.experiments)


if __name__ == "__main__":
    main()
