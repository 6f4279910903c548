from __future__ import annotations

from alpkd_pipeline.project.parameters import repeat_command


def test_values_are_written_as_they_are_typed() -> None:
    given = {"task": {"metrics": ["f1", "accuracy"]}, "seed": 1, "a": {"b": {"c": None, "d": True}}}
    params = "task.metrics=f1|accuracy,seed=1,a.b.c=null,a.b.d=true"
    assert repeat_command(None, given) == f"kedro run --pipeline=distill '--params={params}'"


def test_where_results_go_is_left_out() -> None:
    command = repeat_command("paper", {"run": {"store": "here"}})
    assert command == "kedro run --pipeline=distill --env=paper"
