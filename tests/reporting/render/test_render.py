"""LaTeX, checked by its structure."""

from __future__ import annotations

import re

import pytest
from tests.reporting.experiment_frames import frame, main_lines_of, run, seeds

from alpkd_pipeline.reporting import render
from alpkd_pipeline.reporting.render import escape
from alpkd_pipeline.reporting.tables.scores import score_tables


def latex(main):
    return render.latex(table for _, table in score_tables(main))


LOW, HIGH = [0.70, 0.71, 0.72], [0.801, 0.810, 0.822]


@pytest.fixture
def text():
    cells = frame(
        *(seeds(m, s, task=t) for t in ("mrpc", "a_b") for m, s in (("kd", LOW), ("alp_kd", HIGH))),
        run("kd", 0.5, layers=2),
    )
    return latex(main_lines_of(cells))


def test_environments_close_and_columns_fit(text):
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    for table in text.split(r"\begin{table}")[1:]:
        columns = len(re.search(r"\\begin\{tabular\}\{(\w+)\}", table)[1])
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert len(rows) >= 2
        assert all(len(row.split(" & ")) == columns for row in rows)
        assert re.findall(r"\\(\w+rule)", table)[0::3][:1] == ["toprule"]
        assert table.count("{") == table.count("}")


def test_the_numbers_are_percents_and_bold_where_the_table_is(text):
    assert (
        r"alp\_kd & \textbf{81.1} $\pm$ 1.1 & \textbf{81.1} $\pm$ 1.1 & 81.1 $\pm$ 1.1 & 1.0"
        in text
    )
    assert r"kd & 71.0 $\pm$ 1.0 & 71.0 $\pm$ 1.0 & 71.0 $\pm$ 1.0 & 2.0 \\" in text
    assert r"teacher & 90.0 & 90.0 & 90.0 & -- \\" in text


def test_nothing_special_is_left_bare(text):
    assert re.findall(r"(?<!\\)[_#&%]", text.replace(" & ", "").replace("% Needs", "")) == []


def test_the_caption_says_what_the_numbers_are(text):
    assert r"mean $\pm$ standard deviation over 3 seeds" in text
    assert r"(a\_b accuracy, mrpc accuracy)" in text
    assert "corrected for all pairs of the columns" in text
    assert "Students of 2 layers" in text
    assert "over 1 seed." in text


def test_different_numbers_of_seeds_are_said():
    found = latex(main_lines_of(frame(seeds("kd", LOW), run("ckd", 0.5))))
    assert "over 1 to 3 seeds" in found


def test_what_a_method_lacks_is_a_dash():
    cells = frame(seeds("kd", LOW), seeds("ckd", LOW), seeds("ckd", LOW, task="cola"))
    assert r"kd & -- & 71.0 $\pm$ 1.0 \\" in latex(main_lines_of(cells))


def test_hostile_names_are_printed_as_they_are():
    assert escape("a_b & 5% $x$ {y}\n\\z") == (r"a\_b \& 5\% \$x\$ \{y\} \textbackslash{}z")
    assert escape("~^<|>#") == (
        r"\textasciitilde{}\textasciicircum{}\textless{}\textbar{}\textgreater{}\#"
    )


def test_no_tables_are_a_comment():
    assert latex(main_lines_of(frame(run("kd", 0.8)).iloc[:0])).startswith("%")


def test_the_average_says_over_how_many_tasks(text):
    assert " & average (2 tasks) & rank" in text


def test_a_mark_of_a_score_is_a_dagger_and_explained():
    cells = frame(seeds("kd", LOW), seeds("alp_kd", HIGH))
    text = latex(main_lines_of(cells, "mrpc/alp_kd/4/0/0/0"))
    assert r"alp\_kd & \textbf{81.1} $\pm$ 1.1 $\dagger$" in text
    assert r"$\dagger$ answers one class" in text.split(r"\label")[0]
