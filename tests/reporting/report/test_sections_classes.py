"""The section of classes, and how runs are marked that say the same of every row."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
from tests.reporting.report.conftest import page_of, section, sections
from tests.reporting.report.test_sections import rows_of
from tests.reporting.stored_predictions import RIGHT, with_predictions
from tests.reporting.studies import errors, reseal, study

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.comparison import write_comparison
from alpkd_pipeline.reporting.sources import Sources

kept = partial(with_predictions, place=None)
"""The answers that a training keeps, in its own folder."""


def of_three(params: dict[str, Any], run: dict[str, Any]) -> None:
    run["task"]["label_names"] = ["not_equivalent", "equivalent", "perhaps"]


def test_counts_and_scores_of_every_arm_to_open(store):
    made = study(store, tasks=["mrpc"], methods=["kd", "alp_kd"], seeds=2, layers=(4, 2))
    for folder in made:
        wrong = folder.name.startswith("kd") and "-s1-" in folder.name
        kept(store, folder, [0, 0, 1, 1] if wrong else RIGHT)
    classes = section(page_of(store.root), "classes")
    folded = classes.all("details")
    assert [d.all("summary")[0].text for d in folded] == [
        "mrpc, 4 of 12 layers",
        "mrpc, 2 of 12 layers",
    ]
    assert not any(d.get("open") for d in folded)
    (table,) = folded[0].all("table")
    head, kd, *rows = rows_of(table)
    assert head == [
        "label",
        "answered not_equivalent",
        "answered equivalent",
        "precision",
        "recall",
        "F1",
        "support",
    ]
    # Of two runs one is right throughout, the other once wrong: precision 1/2 and 1, mean 75.
    assert [kd, *rows[:2]] == [
        ["kd, 2 runs"],
        ["not_equivalent", "2", "0", "75.0", "100.0", "83.3", "1"],
        ["equivalent", "1", "5", "100.0", "83.3", "90.0", "3"],
    ]
    assert rows[2] == ["alp_kd, 2 runs"]
    assert rows[4][1:3] == ["0", "6"]
    assert "kept no answers" not in classes.text
    assert "recall: right of those with this label" in classes.text


def test_runs_without_predictions_are_counted_and_left_out(store):
    made = study(store, tasks=["mrpc"], methods=["kd"], seeds=3)
    kept(store, made[0], RIGHT)
    strange = kept(store, made[1], RIGHT)
    (strange / "predictions" / "dev.csv").write_text("idx,label\n1,1\n")
    reseal(strange)
    classes = section(page_of(store.root), "classes")
    assert "kd, 1 run" in classes.all("table")[0].text
    assert "2 runs of 3 kept no answers on dev and are left out" in classes.text


def test_a_store_without_predictions_says_what_makes_them(store):
    study(store, tasks=["mrpc"], methods=["kd"], seeds=1)
    classes = section(page_of(store.root), "classes")
    assert classes.all("table") == []
    assert "kedro run --pipeline=evaluate" in classes.text
    assert "Rows are labels" not in classes.text


def test_a_regression_has_no_classes(store):
    for folder in errors(store):
        kept(store, folder, [1, 2, 3, 4])
    assert "classes" not in sections(page_of(store.root))


def test_runs_of_other_labels_have_a_table_of_their_own(store):
    kept(store, store.student(0), RIGHT)
    other = store.student(1, change=of_three)
    kept(store, other, [1, 2, 1, 1])

    def warmer(params: dict[str, Any], run: dict[str, Any]) -> None:
        of_three(params, run)
        params["method"]["temperature"] = 4.0

    kept(store, store.student(2, change=warmer), [1, 2, 1, 1])
    tables = section(page_of(store.root), "classes").all("table")
    assert "answered perhaps" not in tables[0].text
    assert "answered perhaps" in tables[1].text


def test_the_counts_of_very_many_classes_are_left_out(store):
    def many(params: dict[str, Any], run: dict[str, Any]) -> None:
        run["task"]["label_names"] = [f"class {i}" for i in range(13)]

    kept(store, store.student(0, change=many), [1, 12, 1, 1])
    (table,) = section(page_of(store.root), "classes").all("table")
    assert rows_of(table)[0] == ["label", "precision", "recall", "F1", "support"]
    assert len(rows_of(table)) == 2 + 13


def test_a_run_that_predicts_one_class_is_marked_wherever_its_score_stands(store, tmp_path):
    store.teacher()
    for folder in study(store, tasks=["mrpc"], methods=["kd", "alp_kd"], seeds=2):
        same = folder.name.startswith("kd") and "-s1-" in folder.name
        kept(store, folder, [1, 1, 1, 1] if same else RIGHT)
    page = page_of(store.root)
    table = section(page, "scores").all("table")[0]
    rows = {row[0]: row[1:] for row in rows_of(table)}
    kd, alp = rows["kd"], rows["alp_kd"]
    assert "†" in kd[0]
    assert "†" not in alp[0]
    place = rows_of(table)[0].index("kept")
    assert (kd[place - 1], alp[place - 1][-1].isdigit()) == ("–", True)
    assert "† answers one class for every dev row" in section(page, "scores").text
    runs = section(page, "runs")
    marked = [row[3] for row in rows_of(runs.all("table")[1]) if len(row) > 5 and "†" in row[5]]
    assert marked == ["1"]
    assert "† answers one class for every dev row" in runs.text
    files = {
        path.name: path for path in write_comparison(Sources(gather(store.root)), tmp_path / "out")
    }
    told = pd.read_csv(files["students.csv"]).set_index("path")["collapsed"]
    assert told[told].index.str.contains("/kd-4L-s1-").all()
    assert told.sum() == 1
    assert "† answers one class" in files["comparison.md"].read_text()
    assert " † |" in files["comparison.md"].read_text()


def test_where_no_predictions_were_kept_it_is_not_known_who_collapsed(store, tmp_path):
    first, *_ = study(store, tasks=["mrpc"], methods=["kd"], seeds=2)
    kept(store, first, RIGHT)
    store.student(7, run_type="trial")
    page = page_of(store.root)
    assert "†" not in page.text
    files = {
        path.name: path for path in write_comparison(Sources(gather(store.root)), tmp_path / "out")
    }
    told = pd.read_csv(files["students.csv"], dtype=str).sort_values("seed")["collapsed"]
    assert told.fillna("missing").tolist() == ["False", "missing", "missing"]
    assert "†" not in files["comparison.md"].read_text()


def test_a_regression_whose_numbers_hardly_spread_is_marked(store):
    for place, folder in enumerate(errors(store)):
        kept(store, folder, [1.0, 1.01, 1.0, 1.02] if place == 0 else [1.0, 0.4, 0.9, 0.8])
    runs = section(page_of(store.root), "runs")
    assert sum(len(row) > 5 and "†" in row[5] for row in rows_of(runs.all("table")[0])) == 1


def test_predictions_on_several_tasks_have_a_page(store):
    """The row of the constant answer has an average over the tasks and no seeds."""
    for folder in study(store, tasks=["mrpc", "rte"], methods=["no_kd", "kd"], seeds=3):
        kept(store, folder, RIGHT)
    table = section(page_of(store.root), "scores").all("table")[0]
    rows = {row[0]: row[1:] for row in rows_of(table)}
    assert rows["larger class or mean"][:3] == ["75.0", "75.0", "75.0"]
