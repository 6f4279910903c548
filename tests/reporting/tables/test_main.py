"""The main table."""

from __future__ import annotations

import math

import pytest
from tests.reporting.cell_frames import frame, run, seeds

from alpkd_pipeline.reporting.tables.main import COLUMNS, main_long, main_table

LOW, HIGH = [0.70, 0.71, 0.72], [0.801, 0.810, 0.822]


@pytest.fixture
def cells():
    return frame(
        *(seeds("alp_kd", HIGH, task=task) for task in ("mrpc", "cola")),
        *(seeds("no_kd", LOW, task=task) for task in ("mrpc", "cola")),
        seeds("no_kd", LOW, layers=2),
    )


def test_one_line_for_each_number(cells):
    long = main_long(cells)
    assert long.columns.tolist() == list(COLUMNS)
    deep = long[long["layers"] == 4]
    rows = list(zip(deep["row"], deep["label"], deep["task"], strict=True))
    assert rows == [
        (row, label, task)
        for row, label in enumerate(("teacher", "no_kd", "alp_kd"))
        for task in ("mrpc", "cola", "Average")
    ]
    assert long["layers"].drop_duplicates().tolist() == [4, 2]


def test_the_numbers_of_a_line(cells):
    long = main_long(cells).set_index(["layers", "label", "task"])
    line = long.loc[(4, "alp_kd", "mrpc")]
    assert (line["n"], line["mean"], line["bold"]) == (3, pytest.approx(0.811), True)
    assert line["kept"] == pytest.approx(100 * 0.811 / 0.9)
    assert line["compression"] == pytest.approx(1.5)
    assert line["low"] < 0.811 < line["high"]
    assert len(line["runs"]) == 3
    assert math.isnan(line["rank"])
    average = long.loc[(4, "alp_kd", "Average")]
    assert (average["rank"], average["tasks"], average["mean"]) == (1, 2, pytest.approx(0.811))
    assert not long.loc[(4, "no_kd", "mrpc"), "bold"]


def test_a_single_task_has_no_average(cells):
    assert "Average" not in set(main_long(cells).query("layers == 2")["task"])


def test_tables_to_look_at(cells):
    tables = main_table(cells)
    assert list(tables) == [4, 2]
    deep = tables[4]
    assert deep.index.tolist() == ["teacher", "no_kd", "alp_kd"]
    groups = list(dict.fromkeys(name for name, _ in deep.columns))
    assert groups == ["mrpc", "cola", "Average", "Model"]
    assert deep.loc["alp_kd", ("cola", "mean")] == pytest.approx(0.811)
    assert deep.loc["alp_kd", ("Average", "rank")] == 1
    assert deep.loc["no_kd", ("Model", "compression")] == pytest.approx(1.5)
    assert ("Average", "mean") not in tables[2].columns


def test_a_method_without_a_task_leaves_a_gap():
    table = main_table(frame(seeds("kd", LOW), seeds("kd", LOW, task="cola"), seeds("ckd", HIGH)))
    assert math.isnan(table[4].loc["ckd", ("cola", "mean")])


def test_arms_of_a_method_have_rows_of_their_own():
    cells = frame(seeds("kd", LOW, method__beta=1), seeds("kd", HIGH, method__beta=2))
    labels = main_table(cells)[4].index.tolist()
    assert labels == ["teacher", "kd (method.beta=1)", "kd (method.beta=2)"]


def test_a_method_that_is_not_in_the_table_comes_last():
    cells = frame(run("a_new_one", 0.8), run("alp_kd", 0.8), run("no_kd", 0.7))
    assert main_table(cells)[4].index.tolist() == ["teacher", "no_kd", "alp_kd", "a_new_one"]


def test_a_task_may_be_called_average():
    cells = frame(*(seeds("kd", LOW, task=task) for task in ("average", "model")))
    table = main_table(cells)[4]
    groups = list(dict.fromkeys(name for name, _ in table.columns))
    assert groups == ["average", "model", "Average", "Model"]


def test_no_runs_are_no_tables():
    empty = frame(run("kd", 0.8)).iloc[:0]
    assert main_table(empty) == {}
    assert main_long(empty).columns.tolist() == list(COLUMNS)
