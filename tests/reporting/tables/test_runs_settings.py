"""What each configuration was trained with."""

from __future__ import annotations

from tests.reporting.studies import study

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.tables.runs import settings_table


def rows_of(store):
    table = settings_table(Sources(gather(store.root)))
    names = [column.heading for column in table.columns]
    return [
        {name: cell.text for name, cell in zip(names, row, strict=True)}
        for body in table.bodies
        for row in body.rows
    ]


def test_a_method_of_all_tasks_and_depths_is_one_row(store):
    study(store, methods=["no_kd", "kd"], layers=(4, 2))
    rows = rows_of(store)
    assert [row["method"] for row in rows] == ["no_kd", "kd"]
    assert {row["students"] for row in rows} == {"mrpc and rte: 4 layers and 2 layers"}
    assert (rows[1]["learning rate"], rows[1]["epochs"], rows[1]["T"]) == ("0.0004", "5", "2")
    assert rows[1]["precision"] == "fp32"
    assert "torch 2.13.0" in rows[1]["versions"]


def test_what_differs_has_a_row_of_its_own(store):
    def longer(params, run):
        params["training"]["epochs"] = 9

    store.student(0)
    store.student(1, change=longer)
    assert [(row["method"], row["epochs"]) for row in rows_of(store)] == [
        ("kd (training.epochs=5)", "5"),
        ("kd (training.epochs=9)", "9"),
    ]


def test_places_are_listed_where_not_every_task_has_every_depth(store):
    study(store, tasks=["mrpc"], methods=["kd"], layers=(4, 2))
    study(store, tasks=["rte"], methods=["kd"], layers=(2,))
    (row,) = rows_of(store)
    assert row["students"] == "mrpc: 4 layers; mrpc: 2 layers; rte: 2 layers"


def test_what_made_it_is_said(store):
    def change(params, run):
        run["command"] = "kedro run --pipeline=distill"

    store.student(0, change=change)
    assert rows_of(store)[0]["made by"] == "kedro run --pipeline=distill"
