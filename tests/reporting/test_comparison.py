import copy
import io
import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from tests.reporting.conftest import PARAMS
from tests.reporting.studies import errors

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.comparison import write_comparison
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.tables.runs import grouped_table, students_table
from alpkd_pipeline.store.layout import TEACHERS

GOLDEN = Path(__file__).parents[1] / "golden" / "comparison.md"


def _shallow_alp(params, run):
    params["method"]["name"] = "alp_kd"
    params["student"]["layers"] = 2


def _slower(params, run):
    params["training"]["lr"] = 0.0002


@pytest.fixture
def full_store(store):
    """Three seeds of one experiment, one seed with another learning rate, two of a shallow
    student.
    """
    store.teacher(accuracy=0.9, p50_ms=12.0)
    for seed, accuracy in enumerate((0.80, 0.82, 0.84)):
        store.student(seed, accuracy, accuracy + 0.05, p50_ms=4.0, seconds=7.0 + seed)
    store.student(0, 0.81, 0.86, change=_slower)
    store.student(0, 0.70, 0.75, change=_shallow_alp)
    store.student(1, 0.74, 0.78, change=_shallow_alp)
    for trial in range(4):
        store.student(trial, 0.99, 0.99, run_type="trial")
    store.student(0, 0.99, 0.99, run_type="rerun")
    return store


@pytest.fixture
def evidence(full_store):
    return gather(full_store.root)


@pytest.fixture
def frame(evidence):
    return evidence.runs


def test_mean_and_deviation_over_seeds(frame):
    row = grouped_table(frame).query("seeds == 3").iloc[0]
    assert row["dev.accuracy mean"] == pytest.approx(0.82)  # (.80 + .82 + .84) / 3
    assert row["dev.accuracy std"] == pytest.approx(0.02)  # sqrt((.02^2 + 0 + .02^2) / 2)
    assert row["dev.f1 mean"] == pytest.approx(0.87)
    assert row["seconds"] == pytest.approx(8.0)
    assert row["teacher_score"] == 0.9
    assert row["speed_up"] == pytest.approx(3.0)


def test_one_seed_has_no_deviation(frame):
    row = grouped_table(frame).query("seeds == 1").iloc[0]
    assert row["dev.accuracy mean"] == 0.81
    assert math.isnan(row["dev.accuracy std"])


def test_groups_stand_apart(frame):
    table = grouped_table(frame)
    assert sorted(table["seeds"]) == [1, 2, 3]
    assert set(table["differs"]) == {"training.lr=0.0004", "training.lr=0.0002", ""}


def test_trials_and_reruns_enter_no_table(frame):
    assert len(students_table(frame)) == 6
    assert 0.99 not in set(students_table(frame)["dev.accuracy"])
    assert grouped_table(frame)["seeds"].sum() == 6


def test_columns_without_a_value_are_left_out_of_the_students_table(store):
    store.student()
    assert "speed_up" not in students_table(gather(store.root).runs).columns


@pytest.fixture
def written(evidence, tmp_path):
    """The files of a comparison by name."""
    return {path.name: path for path in write_comparison(Sources(evidence), tmp_path / "out")}


def test_files(written):
    assert list(written) == [
        "report.html",
        "comparison.md",
        "comparison.json",
        "students.csv",
        "groups.csv",
        "verdicts.csv",
        "main.csv",
        "tables.tex",
    ]
    assert all(path.is_file() for path in written.values())


def test_json_holds_all_tables_and_null_for_what_is_missing(written):

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    found = json.loads(written["comparison.json"].read_text("utf-8"), parse_constant=refuse)
    assert found["left_out"] == {"rerun": 1, "trial": 4}
    assert len(found["students"]) == 6
    lone = next(group for group in found["groups"] if group["seeds"] == 1)
    assert lone["dev.accuracy std"] is None
    assert lone["dev.accuracy mean"] == 0.81


def test_csv_holds_every_run_with_its_generation(frame, written):
    found = pd.read_csv(io.StringIO(written["students.csv"].read_text("utf-8")))
    assert found["generation"].value_counts().to_dict() == {"cell": 6, "trial": 4, "rerun": 1}
    assert found["dev.accuracy"].tolist() == frame["dev.accuracy"].tolist()


def test_page_is_as_it_was(written):
    page = written["comparison.md"].read_text("utf-8")
    day = re.compile(r"(?<=- Finished: )[\d-]+")
    assert day.sub("today", page) == GOLDEN.read_text("utf-8")


def page_of(store):
    folder = store.root / "comparison"
    write_comparison(Sources(gather(store.root)), folder)
    return (folder / "comparison.md").read_text("utf-8")


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_say_nothing(store, seeds):
    for seed in range(seeds):
        store.student(seed)
    assert "1 of 1 mean rest on fewer than 3 seeds: nothing can be said" in page_of(store)


def test_three_seeds_are_not_warned_about(store):
    for seed in range(3):
        store.student(seed)
    page = page_of(store)
    assert "nothing can be said" not in page


def test_an_empty_store_has_a_page_and_tables(store):
    assert "No student has been trained and scored yet: there is nothing" in page_of(store)
    assert grouped_table(gather(store.root).runs).empty
    assert students_table(gather(store.root).runs).empty


def test_tasks_have_their_own_sections_and_scores(store):
    def rte(params, run):
        run["task"] |= {"name": "rte", "metrics": ["accuracy"]}

    store.student(0)
    store.student(1, change=rte)
    mrpc, other = page_of(store).split("## rte, all metrics")
    assert "dev.f1" in mrpc
    assert "dev.f1" not in other


def test_a_teacher_for_each_seed_does_not_part_the_seeds(store):
    """The means are those that the verdicts compare."""

    def own_teacher(params, run):
        params["teacher"]["seed"] = params["seed"]
        run["identity"]["keys"]["teacher"] = f"{params['seed']}" * 64

    for seed in range(3):
        store.student(seed, 0.8 + seed / 100, change=own_teacher)
    page = page_of(store)
    assert "nothing can be said" not in page
    row = next(
        line
        for line in page.splitlines()
        if line.startswith("| kd ") and "±" in line and "0.81" in line
    )
    experiments = [experiment.strip() for experiment in row.strip("|").split("|")]
    assert experiments[2:4] == ["3", "0.8100 ± 0.0100"]
    assert "student and teacher seeds" in experiments


def test_teachers_of_other_training_are_told_apart(store):
    for place, epochs in enumerate((3, 5)):
        key = f"{place}" * 64
        folder = store.root / TEACHERS / "mrpc" / f"demo-{epochs}"
        params = copy.deepcopy(PARAMS)
        params["teacher"]["training"]["epochs"] = epochs
        run = store._run("teacher", "mrpc-teacher-demo-s0", key, params)
        store._write(folder, run, {"accuracy": 0.9, "f1": 0.9}, 600_000, 1.0, {})

        def change(own, run, key=key, epochs=epochs):
            run["identity"]["keys"]["teacher"] = key
            own["teacher"]["training"]["epochs"] = epochs

        store.student(place, change=change)
    assert gather(store.root).runs["teacher_differs"].tolist() == [
        "teacher.training.epochs=3",
        "teacher.training.epochs=5",
    ]


def test_metrics_of_a_user_s_own_stand_wherever_second_metrics_do(store, tmp_path):
    store.teacher()
    for seed, value in enumerate((2.0, 4.0)):
        store.evaluation(store.student(seed, 0.75, 0.7), "1" * 64, mine=value)
    write_comparison(Sources(gather(store.root)), tmp_path / "out")
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert "3.0000 ± 1.4142" in page
    assert page.count("dev.mine") == page.count("dev.f1") == 1
    students = pd.read_csv(tmp_path / "out" / "students.csv")
    assert students["dev.mine"].tolist() == [2.0, 4.0]
    groups = pd.read_csv(tmp_path / "out" / "groups.csv")
    assert groups["dev.mine mean"].tolist() == [3.0]
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [row["dev.mine"] for row in found["students"]] == [2.0, 4.0]


def test_errors_are_written_as_they_are(store, tmp_path):
    errors(store)
    write_comparison(Sources(gather(store.root)), tmp_path / "out")
    page = (tmp_path / "out" / "comparison.md").read_text()
    words = [[experiment.strip() for experiment in line.split("|")] for line in page.splitlines()]
    assert ["", "alp_kd", "**0.502 ± 0.001**", ""] in words
    assert ["", "kd", "0.552 ± 0.002", ""] in words
    # Seeds 0 to 3: 1 - 3, 3 - 0, 0 - 2 and 2 - 4 thousandths besides the 0.05.
    line = next(line for line in words if line[2:4] == ["alp_kd", "kd"])
    assert line[4:8] == ["better", "4", "−0.051", "−0.055 to −0.047"]
    assert "Of rmse less is better" in page
    tex = (tmp_path / "out" / "tables.tex").read_text()
    assert r"alp\_kd & \textbf{0.502} $\pm$ 0.001 \\" in tex
    assert "in percent, errors in the unit of the labels (stsb rmse)" in tex
    main = pd.read_csv(tmp_path / "out" / "main.csv")
    assert main["kept"].isna().all()
    assert main.set_index("label")["mean"]["kd"] == pytest.approx(0.55225)
