"""The main table."""

from __future__ import annotations

import math

import pytest
from tests.reporting.experiment_frames import frame, main_lines_of, main_long_of, run, seeds

from alpkd_pipeline.reporting.tables.measures import measures
from alpkd_pipeline.reporting.tables.scores import BEFORE_MEASURES, score_tables
from alpkd_pipeline.reporting.tables.table import COLLAPSED_MEANS

COLUMNS = [*BEFORE_MEASURES, *measures(), "runs"]

LOW, HIGH = [0.70, 0.71, 0.72], [0.801, 0.810, 0.822]


@pytest.fixture
def cells():
    return frame(
        *(seeds("alp_kd", HIGH, task=task) for task in ("mrpc", "cola")),
        *(seeds("no_kd", LOW, task=task) for task in ("mrpc", "cola")),
        seeds("no_kd", LOW, layers=2),
    )


def test_one_line_for_each_number(cells):
    long = main_long_of(cells)
    assert long.columns.tolist() == COLUMNS
    deep = long[long["layers"] == 4]
    rows = list(zip(deep["row"], deep["label"], deep["task"], strict=True))
    assert rows == [
        (row, label, task)
        for row, label in enumerate(("teacher", "no_kd", "alp_kd"))
        for task in ("mrpc", "cola", "Average")
    ]
    assert long["layers"].drop_duplicates().tolist() == [4, 2]


def test_the_numbers_of_a_line(cells):
    long = main_long_of(cells).set_index(["layers", "label", "task"])
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
    assert "Average" not in set(main_long_of(cells).query("layers == 2")["task"])


def labels(cells):
    return main_long_of(cells)["label"].drop_duplicates().tolist()


def test_a_method_without_a_task_leaves_a_gap():
    long = main_long_of(frame(seeds("kd", LOW), seeds("kd", LOW, task="cola"), seeds("ckd", HIGH)))
    assert long.query("label == 'ckd'")["task"].tolist() == ["mrpc"]


def test_arms_of_a_method_have_rows_of_their_own():
    cells = frame(seeds("kd", LOW, method__beta=1), seeds("kd", HIGH, method__beta=2))
    assert labels(cells) == ["teacher", "kd (method.beta=1)", "kd (method.beta=2)"]


def test_arms_that_differ_only_in_keys_have_rows_of_their_own():
    """Two learning rates, and two data sets with one of them: three arms, three labels."""
    cells = frame(
        seeds("kd", LOW, training__lr="1"),
        seeds("kd", LOW, training__lr="2"),
        seeds("kd", HIGH, training__lr="2", key__encoded='"f"', more="another"),
    )
    found = labels(cells)
    assert len(found) == 4
    assert found[2:] == ["kd (training.lr=2, key.encoded=e)", "kd (training.lr=2, key.encoded=f)"]
    assert main_long_of(cells).query("kind == 'student'")["mean"].nunique() == 2


def test_two_rows_of_one_name_are_refused():
    cells = frame(seeds("kd", LOW, method__beta=1), seeds("kd", HIGH, method__beta=2))
    cells["arm_differs"] = ""
    with pytest.raises(ValueError, match="two rows of 4 layers are called kd on mrpc"):
        main_long_of(cells)


def test_a_method_that_is_not_in_the_table_comes_last():
    cells = frame(run("a_new_one", 0.8), run("alp_kd", 0.8), run("no_kd", 0.7))
    assert labels(cells) == ["teacher", "no_kd", "alp_kd", "a_new_one"]


def test_a_task_may_be_called_average():
    long = main_long_of(frame(*(seeds("kd", LOW, task=task) for task in ("average", "model"))))
    assert long["task"].drop_duplicates().tolist() == ["average", "model", "Average"]


def test_times_of_two_machines_have_no_mean():
    cells = frame(
        run("kd", 0.7, 0, latency_ms=2.0, speed_up=4.0),
        run("kd", 0.7, 1, latency_ms=2.0, speed_up=4.0),
        run("kd", 0.7, 2, latency_ms=9.0, speed_up=1.0, timed_on="elsewhere"),
        run("kd", 0.7, 0, task="rte", latency_ms=9.0, speed_up=1.0, timed_on="elsewhere"),
    )
    long = main_long_of(cells).query("kind == 'student'").set_index("task")
    assert (long.loc["mrpc", "latency_ms"], long.loc["mrpc", "speed_up"]) == (2.0, 4.0)
    assert math.isnan(long.loc["Average", "speed_up"])


def test_no_runs_are_no_lines():
    empty = frame(run("kd", 0.8)).iloc[:0]
    assert main_long_of(empty).columns.tolist() == COLUMNS
    assert main_long_of(empty).empty


def test_a_score_with_a_collapsed_run_is_marked_and_nothing_is_kept_by_it():
    cells = frame(
        *(seeds(m, [0.70, 0.71], task=t) for m in ("kd", "alp_kd") for t in ("mrpc", "rte"))
    )
    lines = main_lines_of(cells, "mrpc/kd/4/1/0/0", "elsewhere")
    found = {(line["label"], line["task"]): line.get("collapsed") for line in lines}
    assert (found["kd", "mrpc"], found["kd", "rte"], found["kd", "Average"]) == (1, 0, 1)
    assert found["alp_kd", "Average"] == 0
    kept = {(line["label"], line["task"]): line["kept"] is not None for line in lines}
    assert [key for key, known in kept.items() if not known] == [("kd", "mrpc"), ("kd", "Average")]
    ((_, table),) = score_tables(lines)
    texts = {row[0].text: [cell.text for cell in row[1:4]] for b in table.bodies for row in b.rows}
    assert texts["kd"] == ["70.5 ± 0.7 †", "70.5 ± 0.7", "70.5 ± 0.7 †"]
    assert texts["alp_kd"] == ["70.5 ± 0.7"] * 3
    assert table.note == COLLAPSED_MEANS
    assert table.alone.endswith(COLLAPSED_MEANS)
    ((_, plain),) = score_tables(main_lines_of(cells))
    assert plain.note == ""
    assert "†" not in plain.alone
