"""What a comparison is asked, out of the parameters."""

from __future__ import annotations

from alpkd_pipeline.project.params import CompareParams
from alpkd_pipeline.reporting.asked import Asked


def test_the_defaults_ask_for_everything_and_plan_nothing():
    asked = Asked.of(CompareParams().model_dump(mode="json"))
    assert asked == Asked(plan=asked.plan)
    assert (list(asked.plan.primary), asked.plan.margin, list(asked.plan.looks)) == ([], {}, [])


def test_every_parameter_arrives():
    block = CompareParams.model_validate(
        {
            "sweep": "latest",
            "only": "task=mrpc;method=kd|pkd,seed=0",
            "primary": [["alp_kd", "kd"], "kd|no_kd"],
            "margin": {"accuracy": 0.5},
            "looks": [5, 10],
        }
    ).model_dump(mode="json")
    asked = Asked.of(block)
    assert asked.sweep == "latest"
    assert asked.only == {"task": ["mrpc"], "method": ["kd", "pkd"], "seed": [0]}
    assert asked.plan.primary == [["alp_kd", "kd"], ["kd", "no_kd"]]
    assert asked.facts["plan"]["margin"] == {"accuracy": 0.5}
    assert asked.facts["plan"]["looks"] == [5, 10]
