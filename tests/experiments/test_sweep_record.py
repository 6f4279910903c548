from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from tests.experiments.conftest import finish_experiment

from alpkd_pipeline.experiments.jobs import Outcome
from alpkd_pipeline.experiments.plan import Plan
from alpkd_pipeline.experiments.sweep import facts, sweep_id

MakePlan = Callable[..., Plan]


def test_a_name_says_where_and_when() -> None:
    at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert sweep_id(None, at) == "sweep-base-20300102T030405Z"
    assert sweep_id("paper", at) == "sweep-paper-20300102T030405Z"
    assert sweep_id(None, at, 2) == "sweep-base-20300102T030405Z-2"


def test_a_record_says_what_became_of_experiments_and_jobs(plan: MakePlan) -> None:
    finish_experiment(plan(seeds=[0]).experiments[0].experiment)
    made = plan(seeds=[0])
    assert [c["state"] for c in facts(made, [])["cells"]] == ["done"] + 5 * ["todo"]

    failed, *others = made.of_kind("cell")
    outcomes = [Outcome(failed.job, "failed", 2.5, "diverged")]
    outcomes += [Outcome(step.job, "done", 1.0) for step in others]
    ended = facts(made, outcomes)
    assert [c["key"] for c in ended["cells"]] == [
        p.experiment.student.key for p in made.experiments
    ]
    _, second, *_ = ended["cells"]
    assert second["coordinates"]["method"] == "kd"
    assert (second["state"], second["error"], second["seconds"]) == ("failed", "diverged", 2.5)
    kinds = {j["name"]: (j["kind"], j["state"]) for j in ended["jobs"]}
    assert kinds["demo teacher t0"] == ("teacher", "todo")
    assert kinds[others[0].job.name] == ("cell", "done")
