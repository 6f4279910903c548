from __future__ import annotations

import pytest
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.project import experiment as experiment_module
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.experiment_inputs import SharedFacts


def test_a_fact_is_found_out_once_and_a_failure_again() -> None:
    facts, asked = SharedFacts(), []

    def find() -> int:
        asked.append(1)
        if len(asked) == 1:
            raise OSError("not yet")
        return len(asked)

    with pytest.raises(OSError, match="not yet"):
        facts.once("name", find)
    assert [facts.once("name", find), facts.once("name", find)] == [2, 2]
    assert facts.once("other", find) == 3


STAGES = (
    "splits",
    "encoded",
    "teacher_latency",
    "signals",
    "student_latency",
    "student_evaluation",
)


CHANGES: list[dict[str, object]] = [
    {},
    {"method.name": "no_kd"},
    {"method.pooling": "mean"},
    {"signals.dtype": "fp16"},
    {"student.layers": 2},
    {"seed": 1},
    {"training.epochs": 9, "training.precision": "bf16"},
    {"task.train_rows": 9},
    {"task.max_length": 9},
    {"task.metrics": ["f1"]},
    {"teacher.seed": 2},
    {"teacher.training.lr": 1.0},
    {"run.store": "data/elsewhere"},  # below what git ignores: hashes of code are remembered there
]


def test_experiments_that_share_facts_have_the_keys_of_experiments_that_do_not(load: Load) -> None:
    shared = SharedFacts()
    for change in CHANGES:
        alone = load(change).experiment
        together = Experiment(alone.params, PROJECT, facts=shared)
        assert [vars(together.stage(n)) for n in STAGES] == [vars(alone.stage(n)) for n in STAGES]


def test_files_are_looked_at_once_for_many_experiments(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    digest = experiment_module.code_digest

    def counted(*given: object) -> str:
        looked.append("code")
        return digest(*given)

    monkeypatch.setattr(experiment_module, "code_digest", counted)
    shared, params = SharedFacts(), load().params
    _ = Experiment(params, PROJECT, facts=shared).student_scores
    first = len(looked)
    _ = Experiment(load({"seed": 1}).params, PROJECT, facts=shared).student_scores
    assert first == len(looked) > 3
