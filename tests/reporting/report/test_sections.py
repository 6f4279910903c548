"""What the sections say, on a study of which everything is known."""

from __future__ import annotations

import pytest
from tests.reporting.report.conftest import html_of, page_of, section
from tests.reporting.studies import (
    errors,
    reseal,
    search,
    signals,
    study,
    sweep,
    with_attention,
    with_event_log,
)

from alpkd_pipeline.reporting.plots.scores import score_against
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.store.layout import GEOMETRY, SEARCHES
from alpkd_pipeline.store.manifest import read_json, write_json

KEY = f"{1:064x}"


def rows_of(table):
    """The words of each row, experiment by experiment."""
    return [[c.text for c in row.children if c.tag in ("td", "th")] for row in table.all("tr")]


def facts_of(page):
    return {
        row.all("dt")[0].text: row.all("dd")[0].text for row in section(page, "compared").all("div")
    }


def test_what_was_compared(full_page):
    facts = facts_of(full_page)
    assert facts["Tasks"] == "mrpc (accuracy) and rte (accuracy)"
    assert facts["Methods"] == "no_kd, kd and alp_kd"
    assert facts["Students"] == "4 of 12 layers"
    assert facts["Student seeds"] == "0–2"
    assert facts["Teachers"] == "demo, seed 0"
    assert facts["Runs"] == "18 students"
    assert facts["Commits"] == "ffffffff"
    assert facts["Left out"] == "1 trial: counted here and shown nowhere"
    warnings = [p.text for p in full_page.all("p") if p.get("class") == "warning"]
    assert any("optimistic" in warning for warning in warnings)


def test_what_the_comparison_was_restricted_to_is_said(store):
    study(store, tasks=["mrpc"], methods=["no_kd", "kd", "pkd"])
    page = page_of(store.root, only={"method": ["no_kd", "kd"], "seed": [0, 1]})
    assert facts_of(page)["Only"] == "method=no_kd|kd, seed=0|1"
    assert facts_of(page)["Runs"] == "4 students"
    assert "Only" not in facts_of(page_of(store.root))


def test_planned_looks_are_told_with_their_shares_of_the_level(store):
    study(store, tasks=["mrpc"], methods=["no_kd", "kd"])
    page = page_of(store.root, plan=Plan(looks=(3, 10)))
    assert facts_of(page)["Planned looks"] == "at 3 and 10 seeds"
    said = "for 0.7 % and 99.3 % of the level: every p is divided by the share of its look"
    assert said in section(page, "verdicts").text
    assert "Looks were planned" not in page_of(store.root).text


def test_two_configurations_of_a_method_are_told_apart_in_pictures(store):
    for epochs in (3, 5):

        def change(params, run, epochs=epochs):
            params["training"]["epochs"] = epochs

        for seed in range(3):
            folder = store.student(seed, 0.8, change=change)
            with_event_log(folder)
            reseal(folder)
    curves = section(page_of(store.root), "curves")
    labels = ["kd (training.epochs=3)", "kd (training.epochs=5)"]
    assert [one.text.strip() for one in curves.all("li")] == labels
    marks = [[part.get("d") for part in one.all("path")] for one in curves.all("li")]
    assert marks[0] != marks[1]


def test_only_a_sweep(store):
    store.student(0, key=KEY)
    store.student(1)
    sweep(store.root, "grid-1", [KEY, "9" * 64])
    page = page_of(store.root, "grid")
    assert (
        facts_of(page)["Only the sweep"] == "grid-1; 1 experiment of it not finished or not scored"
    )
    assert facts_of(page)["Runs"] == "1 student"


def test_runs_chosen_on_holdout_are_not_called_optimistic(store):
    folder = store.student(0)
    metrics = (
        (folder / "metrics.json").read_text().replace('"selection": "dev"', '"selection": "x"')
    )
    (folder / "metrics.json").write_text(metrics)
    from tests.reporting.studies import reseal

    reseal(folder)
    assert "optimistic" not in page_of(store.root).text


def test_the_main_table(full_page):
    table = section(full_page, "scores").all("table")[0]
    head, teacher, *students = rows_of(table)
    assert head[:5] == ["method", "mrpc", "rte", "average (2 tasks)", "kept"]
    assert [row[0] for row in students] == ["no_kd", "kd", "alp_kd"]
    assert teacher[0] == "teacher"
    assert all(" ± " in row[1] for row in students)
    assert [row[5] for row in students] == ["3.0", "2.0", "1.0"]  # ranks
    bold = [td.text for td in table.all("td") if "best" in (td.get("class") or "")]
    assert bold == [students[2][1], students[2][2]]


def test_every_score_leads_to_its_runs(full_page):
    table = section(full_page, "scores").all("table")[0]
    bodies = {b.get("id"): b for b in section(full_page, "runs").all("tbody") if b.get("id")}
    row = next(row for row in table.all("tr") if row.children[0].text == "alp_kd")
    mrpc, rte, average = [a.get("href").removeprefix("#") for a in row.all("a")]
    for name, task in ((mrpc, "mrpc"), (rte, "rte")):
        runs = [experiments for experiments in rows_of(bodies[name]) if len(experiments) > 1]
        assert [run[:4] for run in runs] == [["alp_kd", task, "4", str(s)] for s in range(3)]
    headings = [th for th in section(full_page, "runs").all("th") if th.get("id") == average]
    assert headings[0].text == "alp_kd, 4 layers"


def test_verdicts_in_words(full_page):
    counts, numbers = section(full_page, "verdicts").all("table")
    said = {row[0]: row[1:] for row in rows_of(counts)[1:]}
    assert said["alp_kd"] == ["2 better", "2 better"]
    assert "corrected over the 6 pairs of the report" in counts.all("caption")[0].text
    rows = [row for row in rows_of(numbers) if len(row) > 1]
    assert rows[0][0] == "method"
    assert len(rows) == 1 + 6
    assert {row[3] for row in rows[1:]} == {"3"}
    assert all(row[4].startswith("+") for row in rows[1:])


def test_pictures_of_every_task(full_page):
    for name, count in (("verdicts", 2), ("seeds", 2), ("curves", 4), ("attention", 2)):
        figures = section(full_page, name).all("figure")
        assert len(figures) == count, name
        assert figures[0].all("figcaption")[0].text == "mrpc, 4 of 12 layers"


def test_the_shared_latency_is_explained(full_page):
    said = section(full_page, "size").text
    assert "share one measurement" in said
    assert len(section(full_page, "size").all("figure")) == 4


def test_seeds_name_the_best(full_page):
    (first, _) = section(full_page, "seeds").all("figure")
    assert "by alp_kd" in first.all("svg")[0].get("aria-label")


def test_attention_is_the_mean_over_runs(full_page):
    (first, _) = section(full_page, "attention").all("figure")
    assert "alp_kd 1, 2, 3, 4" in first.all("svg")[0].get("aria-label")
    assert ".78" in first.text
    assert "–" in first.text  # the row that may look at one layer only


def test_attention_on_one_layer_is_said_in_words(full_page, store):
    assert "follows teacher layer" not in section(full_page, "attention").text
    for folder in study(store, tasks=["mrpc"], methods=["alp_kd"], seeds=2):
        with_attention(folder, elsewhere=0.001)
    said = section(page_of(store.root), "attention").text
    assert "alp_kd: layer 1 follows teacher layer 1 alone, layer 2 follows teacher layer 2" in said


@pytest.mark.parametrize(
    ("step", "elsewhere", "said"),
    [
        (0, 0.001, "everything to teacher layer 1"),
        (1, 0.001, "one teacher layer an example, most often 1, 2, 3 and 4"),
        (0, 0.02, "one teacher layer an example, most often 1, 1, 1 and 1"),
    ],
)
def test_attention_that_fuses_nothing_is_said_in_words(store, step, elsewhere, said):
    for folder in study(store, tasks=["mrpc"], methods=["alp_kd"], seeds=2):
        with_attention(folder, elsewhere=elsewhere, entropy=0.04, step=step)
    assert (
        "alp_kd: the mean entropy is 4% of the largest possible one, so the attention fuses next"
        f" to nothing: in effect it is {said}"
    ) in section(page_of(store.root), "attention").text


def test_an_arm_of_which_one_run_lacks_its_attention_has_no_map(store):
    first, *_ = study(store, tasks=["mrpc"], methods=["alp_kd"], seeds=2)
    with_attention(first)
    assert "attention" not in [s.get("id") for s in page_of(store.root).all("section")]


def test_geometry_names_the_nearest_layers(full_page):
    figures = section(full_page, "geometry").all("figure")
    assert len(figures) == 4
    assert "alp_kd 2, 3, 4, 5" in figures[2].all("svg")[0].get("aria-label")


def test_published_numbers_have_a_table_of_their_own_with_sources(full_page):
    theirs, ours, tested, _ = section(full_page, "published").all("table")
    assert any("AAAI" in row[0] for row in rows_of(theirs))
    assert [row[0] for row in rows_of(ours)[1:]] == ["no_kd", "kd", "alp_kd"]
    assert "±" not in theirs.text
    assert [row[0] for row in rows_of(tested) if len(row) > 1] == ["method", "universal_kd"]


def test_published_differences_are_audited_on_the_tasks_of_the_store(full_page):
    (details,) = section(full_page, "published").all("details")
    (audit,) = details.all("table")
    assert [row[0] for row in rows_of(audit) if len(row) == 1] == [
        "rte: 277 dev rows",
        "mrpc: 408 dev rows",
    ]
    known = [row for row in rows_of(audit) if row[0] == "universal_kd" and row[3] == "alp_kd"]
    assert ["7,836", "within the noise of the dev set"] in [row[-2:] for row in known]
    assert "rows needed: for a half-width at 10 %" in details.text
    said = section(full_page, "published").text
    assert "Seeds, tuning and the best epoch are not counted" in said


def test_a_task_that_is_not_of_glue_has_no_published_numbers(store):
    study(store, tasks=["demo"], seeds=1)
    assert "published" not in [s.get("id") for s in page_of(store.root).all("section")]


def test_what_it_cost(store):
    signals(store.root, rows=100)
    store.student(0, seconds=7200.0)
    said = section(page_of(store.root), "cost")
    assert rows_of(said.all("table")[0])[1:] == [
        ["signals", "x86_64 (cpu)", "1", "60 s", "60 s"],
        ["students", "x86_64 (cpu)", "1", "2.0 h", "2.0 h"],
    ]
    assert "run on 100 to record them" in said.text


@pytest.mark.parametrize(("selection", "optimistic"), [("dev", True), ("holdout", False)])
def test_searches(store, selection, optimistic):
    store.student(0)
    search(store.root, "tune-1", {"training.lr": 0.0004}, selection)
    page = page_of(store.root)
    (table,) = section(page, "tuning").all("table")
    (row,) = rows_of(table)[1:]
    assert row[:3] == ["kd", "mrpc", "4"]
    assert row[4:6] == ["1", "6"]
    assert row[7:] == ["77.0", "training.lr = 0.0004"]
    assert ("optimistic" in row[6]) is optimistic
    assert ("numbers that were searched for on dev" in page.text) is optimistic


def test_the_list_of_runs(store):
    folder = store.student(3, key=KEY)
    page = page_of(store.root)
    (table,) = section(page, "runs").all("table")
    row = [row for row in rows_of(table) if len(row) > 1][1]
    assert row[0] == "kd"
    assert row[3] == "3"
    assert row[7] == folder.relative_to(store.root).as_posix()
    assert row[10] == f"tags.key = '{KEY}'"
    assert "Hinton" in section(page, "runs").all("dd")[0].text


def test_two_arms_of_a_method_are_told_apart(store):
    def slower(params, run):
        params["training"]["lr"] = 0.0002

    for seed in range(2):
        store.student(seed)
        store.student(seed, change=slower)
    table = section(page_of(store.root), "scores").all("table")[0]
    labels = [row[0] for row in rows_of(table)[1:]]
    assert labels == ["kd (training.lr=0.0002)", "kd (training.lr=0.0004)"]


def test_geometries_under_teachers_of_two_depths_have_a_plate_each(store):
    for teacher_layers, method in ((12, "kd"), (6, "pkd")):

        def change(params, run, method=method):
            params["method"]["name"] = method

        folder = store.student(0, change=change)
        found = {"cosine_distance": [[0.5] * teacher_layers] * 4, "nearest": [1] * 4}
        store._result(folder, GEOMETRY, "geometry.json", found)
    figures = section(page_of(store.root), "geometry").all("figure")
    titles = [figure.all("figcaption")[0].text for figure in figures]
    assert titles == ["mrpc, 4 of 12 layers", "mrpc, 4 of 6 layers"]


def test_times_of_another_machine_are_left_out_and_that_is_said(store):
    for folder in study(store, tasks=["mrpc"], methods=["kd"], seeds=2):
        store.latency(folder, 4.0)
    elsewhere = study(store, tasks=["mrpc"], methods=["pkd"], seeds=1)[0]
    store.latency(elsewhere, 40.0, device_name="other")
    (picture,) = section(page_of(store.root), "size").all("figure")[1:]
    assert "1 student timed on another machine or setup left out" in picture.text
    assert "1 line" in picture.all("svg")[0].get("aria-label")


def test_a_method_with_nothing_to_choose_did_not_fail(store):
    store.student(0)
    search(store.root, "tune-1", {})
    (table,) = section(page_of(store.root), "tuning").all("table")
    assert rows_of(table)[1][8] == "nothing to choose"


def test_the_cost_of_a_sweep_is_called_so(store, full_page):
    store.student(0, key=KEY)
    sweep(store.root, "grid-1", [KEY])
    (table,) = section(page_of(store.root, "grid"), "cost").all("table")
    assert "the experiments of the sweep alone" in table.text
    assert "trials and reruns included" in section(full_page, "cost").text


def test_what_columns_mean_can_be_read(full_page):
    said = [p.text for p in full_page.all("p") if p.get("class") == "quiet"]
    assert any("kept: share of the teacher's score, in percent; rank: " in line for line in said)
    assert any("detectable: the true difference" in line and "effect: " in line for line in said)


def test_verdicts_are_counted_for_each_row_of_the_tables(store):
    def warmer(params, run):
        params["method"]["temperature"] = 4.0

    study(store, tasks=["mrpc"], methods=["no_kd", "kd"])
    for seed in range(3):
        store.student(seed, 0.9, 0.8, change=warmer)
    counts = section(page_of(store.root), "verdicts").all("table")[0]
    assert [row[0] for row in rows_of(counts)[1:]] == [
        "kd (method.temperature=2.0)",
        "kd (method.temperature=4.0)",
    ]


def test_curves_say_which_rows_they_are_of(store):
    (folder,) = study(store, tasks=["mrpc"], methods=["kd"], seeds=1)
    said = (folder / "metrics.json").read_text()
    (folder / "metrics.json").write_text(
        said.replace('"selection": "dev"', '"selection": "holdout"')
    )
    with_event_log(folder)
    (first, _) = section(page_of(store.root), "curves").all("figure")
    assert first.all("svg")[0].get("aria-label").startswith("Score on holdout at each evaluation")


def test_kept_is_not_said_of_one_task_among_several(store):
    store.teacher()
    study(store, tasks=["mrpc", "rte"], methods=["kd"], seeds=1)
    study(store, tasks=["mrpc"], methods=["pkd"], seeds=1)
    table = section(page_of(store.root), "scores").all("table")[0]
    assert "kept" not in rows_of(table)[0]


def test_the_star_is_the_mean_of_teachers_however_many_students_they_have(store, monkeypatch):
    stars = []

    def drawn(trades, axis, teacher=None, unit=100.0):
        stars.append(teacher)
        return score_against(trades, axis, teacher)

    def other(params, run):
        run["identity"]["keys"]["teacher"] = "b" * 64

    monkeypatch.setattr("alpkd_pipeline.reporting.plots.scores.score_against", drawn)
    first = store.teacher(accuracy=0.9)
    run = read_json(first / "run.json")
    run["identity"]["key"] = "b" * 64
    store._write(first.with_name("demo-s1"), run, {"accuracy": 0.7}, 600_000, 1.0, {})
    for seed in range(3):
        store.student(seed)
    store.student(3, change=other)
    page_of(store.root)
    assert stars == [(pytest.approx(0.6), pytest.approx(0.8))]


def test_errors_are_named_and_shown_as_they_are(store):
    errors(store)
    page = page_of(store.root)
    table = section(page, "scores").all("table")[0]
    assert [row[:2] for row in rows_of(table)[1:]] == [
        ["no_kd", "0.602 ± 0.002"],
        ["kd", "0.552 ± 0.002"],
        ["alp_kd", "0.502 ± 0.001"],
    ]
    best = [
        experiment.text
        for experiment in table.all("td")
        if "best" in (experiment.get("class") or "")
    ]
    assert best == ["0.502 ± 0.001"]
    for name in ("scores", "verdicts"):
        assert "Of rmse less is better" in section(page, name).text
    assert "better" in section(page, "verdicts").text
    assert "worse" not in section(page, "verdicts").all("table")[0].text
    assert "difference in rmse" in section(page, "verdicts").text
    assert "best mean 0.502 by alp_kd" in html_of(store.root)
    assert "0.5010" in section(page, "runs").text
    assert "less is better" not in page_of_scores(store)


def page_of_scores(store):
    """The text of another store, without errors."""
    other = type(store)(store.root / "other")
    study(other, tasks=["mrpc"])
    return page_of(other.root).text


def test_the_best_error_of_a_search_is_shown_as_it_is(store):
    errors(store)
    search(store.root, "tune-1", {"training.lr": 0.0004})
    path = store.root / SEARCHES / "tune-1.json"
    found = read_json(path)
    for metric, text in (("rmse", "0.770"), ("accuracy", "77.0")):
        found["studies"][0] |= {"metric": metric}
        write_json(path, found)
        (table,) = section(page_of(store.root), "tuning").all("table")
        assert rows_of(table)[1][7] == text
