from __future__ import annotations

from alpkd_pipeline.project.experiment_inputs import FORCE_NAMES


def test_stages_to_force_are_named_in_the_order_in_which_they_run() -> None:
    assert FORCE_NAMES == (
        "data_prep",
        "finetune_teacher",
        "signals",
        "distill",
        "evaluate",
        "export",
        "compare",
    )
