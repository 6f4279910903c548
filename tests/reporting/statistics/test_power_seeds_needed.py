"""How many seeds an experiment needs, from the noise of earlier runs."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reporting.studies import errors, study

from alpkd_pipeline.reporting.collect import Query, gather
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.power import pairs_of, seeds_needed, seeds_to_see, upper_sd
from alpkd_pipeline.reporting.statistics.words import Plan


def lines(store, task, pairs=72, **plan):
    sources = Sources(gather(store.root, Query(plan=Plan(**plan))))
    return list(seeds_needed(sources.found, sources.judge.plan, [task], pairs))


@pytest.mark.parametrize(
    ("columns", "pairs"),
    [
        ([["no_kd", "kd", "pkd", "alp_kd", "alp_no", "uniform"]] * 6, 72),
        ([["alp_kd", "uniform"]], 0),
        ([["kd", "alp_kd"], ["no_kd", "kd"]], 2),
        ([], 0),
    ],
)
def test_pairs_are_those_of_the_report(columns, pairs):
    assert pairs_of(columns) == pairs


def test_seeds_follow_from_the_pooled_noise_at_its_upper_limit(store):
    study(store, tasks=["mrpc"], seeds=4, layers=(4, 2))
    experiments = gather(store.root).experiments
    squares, freedom = 0.0, 0
    for _, column in experiments.groupby("layers"):
        table = column.pivot(index="method", columns="seed", values="score").to_numpy()
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        squares, freedom = squares + (rest**2).sum(), freedom + 2 * 3
    sd = upper_sd(np.sqrt(2 * squares / freedom), freedom)
    (line,) = lines(store, "mrpc")
    sd_text = f"sd of a difference {100 * sd:.1f} points (80 % limit, by 24 earlier runs)"
    assert line.startswith(f"seeds for mrpc, {sd_text}, among 72 pairs: ")
    family, alone = seeds_to_see(0.01 / sd, 0.05 / 72), seeds_to_see(0.01 / sd, 0.05)
    assert f"to see 1 point {family} (alone {alone})" in line
    assert "2 points" in line
    assert "to call equal within 1 point" in line


def test_first_questions_take_half_of_the_level_here_too(store):
    study(store, tasks=["mrpc"], seeds=4)
    (whole,), (half,) = lines(store, "mrpc"), lines(store, "mrpc", primary=[("alp_kd", "kd")])
    assert whole != half


def test_planned_looks_cost_seeds_here_too(store):
    study(store, tasks=["mrpc"], seeds=4)
    (whole,), (looks,) = lines(store, "mrpc"), lines(store, "mrpc", looks=(3, 4))
    assert whole != looks


def test_errors_are_planned_in_their_own_unit(store):
    errors(store)
    (line,) = lines(store, "stsb", margin={"rmse": 0.05})
    assert "to see 0.05 " in line
    assert "points" not in line
    assert lines(store, "stsb") == ["seeds for stsb: no margin for rmse, set compare.margin"]


def test_without_earlier_runs_there_is_no_noise_to_plan_with(store):
    store.student(0)
    assert "no earlier runs over 2 or more seeds" in lines(store, "mrpc")[0]
    assert "no earlier runs" in lines(store, "cola")[0]
