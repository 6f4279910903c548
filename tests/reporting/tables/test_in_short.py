"""The result first: what is best, what is as good, which to take."""

from __future__ import annotations

from tests.reporting.studies import study

from alpkd_pipeline.reporting.collect import Query, gather
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.reporting.tables.in_short import choices, result_table, to_take


def sources_of(store, **plan):
    return Sources(gather(store.root, Query(plan=Plan(**plan))))


def texts(sources):
    table = result_table(sources, list(choices(sources)))
    headings = [column.heading for column in table.columns]
    return [
        {name: cell.text for name, cell in zip(headings, row, strict=True)}
        for body in table.bodies
        for row in body.rows
    ]


def student(store, method, seed, accuracy, *, layers=4, p50_ms=None):
    def change(params, run):
        params["method"]["name"], params["student"]["layers"] = method, layers

    return store.student(seed, accuracy, 0.8, change=change, p50_ms=p50_ms)


def three(store, method, scores, **options):
    for seed, score in enumerate(scores):
        student(store, method, seed, score, **options)


LOW, HIGH = [0.70, 0.71, 0.72], [0.801, 0.810, 0.822]


def test_the_best_and_the_worse_of_every_column(store):
    study(store, tasks=["mrpc"], layers=(4, 2))
    deep, shallow = texts(sources_of(store))
    assert (deep["students"], shallow["students"]) == (
        "mrpc, 4 of 12 layers",
        "mrpc, 2 of 12 layers",
    )
    assert deep["best"].startswith("alp_kd 7")
    assert deep["worse"] == "kd, no_kd"
    assert deep["margin"] == "1 point"
    assert deep["could not be seen"].startswith("below ")
    assert "equal to it" not in deep


def test_what_is_equal_and_what_cannot_be_told_stand_apart(store):
    three(store, "no_kd", LOW)
    three(store, "kd", HIGH)
    three(store, "pkd", [score - d for score, d in zip(HIGH, (0.0001, 0.0002, 0.0), strict=True)])
    three(store, "ckd", [0.77, 0.80, 0.77])
    student(store, "uniform", 0, 0.5)
    (row,) = texts(sources_of(store, margin={"accuracy": 5.0}))
    assert row["best"].startswith("kd ")
    assert row["equal to it"] == "pkd"
    assert row["not distinguishable from it"] == "ckd"
    assert row["worse"] == "no_kd"
    assert row["nothing can be said of"] == "uniform"


def test_the_smallest_and_fastest_of_those_that_are_as_good_is_taken(store):
    three(store, "no_kd", LOW, p50_ms=1.0)
    three(store, "kd", HIGH)
    three(store, "pkd", [score - 0.001 for score in HIGH])
    (choice,) = choices(sources_of(store))
    # All of one shape share a time, so that the mean decides; no_kd is fast, and worse.
    assert choice.take["label"] == "kd"
    assert choice.run.run["params"]["seed"] == 2


def test_where_it_is_and_what_makes_it_again(store):
    def change(params, run):
        run["command"] = "kedro run --pipeline=distill --params=seed=1"

    store.student(0, 0.7)
    store.student(1, 0.8, change=change)
    ((title, said),) = to_take(sources := sources_of(store), list(choices(sources)))
    assert title == "mrpc, 4 of 12 layers"
    assert said.startswith(
        "kd, seed 1 (score 80.0, 0.41 M parameters): `06_models/students/mrpc/kd"
    )
    assert said.endswith("made by `kedro run --pipeline=distill --params=seed=1`")
