"""The published numbers, as they were handed down, and their table."""

from __future__ import annotations

from itertools import pairwise

import pytest

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.reporting.tables.published import FILE, of_papers, percent, published
from alpkd_pipeline.tasks.glue import GLUE

PLACE = ["model", "layers", "method"]
ELSEWHERE = {"teacher", "diito", "cofi"}
"""Methods of others that are none of ours."""


def test_each_number_has_its_source_and_names_of_ours():
    found = published()
    columns = ["source", *PLACE, "split", "task", "metric", "score", "rerun_of", "note"]
    assert found.columns.tolist() == columns
    assert found["source"].str.len().gt(0).all()
    assert found["score"].between(20, 100).all()
    assert set(found["task"]) <= set(GLUE)
    assert set(found["split"]) == {"dev", "test"}
    assert set(found["method"]) - set(METHODS) == ELSEWHERE
    assert set(found.loc[found["layers"].isna(), "method"]) == {"cofi"}
    # One number of a task in a line, so the metric does not tell two apart.
    assert not found.duplicated(["source", *PLACE, "split", "task"]).any()


def test_each_metric_is_one_of_its_task_or_its_note_says_that_it_is_unclear():
    found = published()
    for row in found.itertuples():
        if row.metric:
            assert row.metric in GLUE[row.task].task.metrics, row
        else:
            assert f"{row.task}: " in row.note, row
    unclear = found[found["metric"] == ""]
    assert set(unclear["task"]) == {"stsb", "mnli", "qqp", "mrpc"}
    f1 = found[found["metric"] == "f1"]
    assert set(f1["method"]) == {"theseus", "rail_kd", "tinybert", "minilmv2", "diito"}
    assert set(found[found["metric"] == "spearman"]["method"]) == {"rail_kd", "diito"}


def test_each_rerun_follows_the_paper_whose_number_it_repeats():
    found = published()
    again = found[found["rerun_of"] != ""]
    assert set(again["source"].str.partition(", rerun by ")[0]) == {"MiniLMv2", "TinyBERT-4"}
    for _, of in again.groupby("source"):
        paper = found[found["source"] == of["rerun_of"].iloc[0]]
        assert not (paper["rerun_of"] != "").any()
        assert set(map(tuple, of[PLACE].to_numpy())) <= set(map(tuple, paper[PLACE].to_numpy()))
        assert paper.index.max() < of.index.min()


@pytest.mark.parametrize(("layers", "average"), [(4, 77.01), (2, 67.08)])
def test_averages_that_a_second_source_confirms(layers, average):
    found = published().query("method == 'alp_kd' and layers == @layers")
    assert len(found) == 8
    assert found["score"].mean() == pytest.approx(average, abs=0.006)
    assert found["note"].str.contains(str(average)).all()


def test_what_a_test_row_says_of_its_own_dev_row():
    found = published()
    scores = found[found["method"] == "universal_kd"].pivot(
        index="task", columns="split", values="score"
    )
    falls = scores["test"] - scores["dev"]
    assert (falls["rte"], falls["cola"]) == (pytest.approx(-5.3), pytest.approx(-7.2))
    assert set(found[found["split"] == "test"]["note"]) == {
        "against its own dev row: RTE -5.3, CoLA -7.2"
    }


def test_sources_are_explained_beside_the_file():
    said = FILE.with_name("README.md").read_text("utf-8")
    for source in published()["source"].unique():
        assert source.partition(" (")[0] in said


@pytest.mark.parametrize(
    ("score", "said"), [(72.1, "72.1"), (87.0, "87.0"), (60.65, "60.65"), (-11.45, "−11.45")]
)
def test_scores_have_the_digits_that_were_published(score, said):
    assert percent(score) == said
    assert percent(0.7, "+") == "+0.7"


def test_a_rerun_stands_directly_below_what_it_repeats():
    table = of_papers(published(), ["rte", "sst2"])
    lines = [[cell.text for cell in row] for body in table.bodies for row in body.rows]
    first = ["minilmv2", "6", "bert-base-uncased", "72.1", "92.4", "task-agnostic"]
    (second,) = [two for one, two in pairwise(lines) if one == first]
    assert second[:5] == ["minilmv2 (rerun)", "6", "bert-base-uncased", "60.65", "91.63"]
    assert second[5].startswith("MiniLMv2, rerun by bloomberg/minilmv2.bb; RTE 11 points below")
    headings = [body.heading for body in table.bodies]
    assert "MiniLMv2 (as transcribed by GLMKD)" in headings
    assert not any("rerun" in heading for heading in headings)


def test_a_metric_that_does_not_decide_is_named_beside_its_number():
    table = of_papers(published(), ["mrpc"])
    of = {(row[0].text, row[1].text): row[3].text for body in table.bodies for row in body.rows}
    assert of["alp_kd", "6"] == "85.1"
    assert of["rail_kd", "6"] == "90.8 (f1)"
    assert of["tinybert (rerun)", "4"] == "82.1 (?)"
    assert of["cofi", "–"] == "83.6"


def test_dev_and_test_rows_have_tables_of_their_own():
    dev, test = (of_papers(published(), ["cola", "rte"], split) for split in ("dev", "test"))
    (row,) = [[cell.text for cell in row] for body in test.bodies for row in body.rows]
    assert row[:5] == ["universal_kd", "4", "bert-base-uncased", "27.0", "62.6"]
    assert "against its own dev row" in row[5]
    assert "62.6" not in {cell.text for body in dev.bodies for row in body.rows for cell in row}
    assert [table.caption.split()[1] for table in (dev, test)] == ["dev", "test"]


def test_notes_of_a_line_are_said_once():
    table = of_papers(published(), list(GLUE)[:8])
    notes = {row[0].text: row[-1].text for body in table.bodies for row in body.rows}
    assert notes["theseus"] == (
        "stsb: one number for Pearson and Spearman; mnli: one number for matched and mismatched"
    )
    assert notes["rail_kd"] == "starts from DistilBERT"
