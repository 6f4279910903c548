import math

from tests.reporting.svgs import drawn, texts, uses

from alpkd_pipeline.reporting.plots.scores import forest
from alpkd_pipeline.reporting.statistics.words import BETTER, NOT_DISTINGUISHABLE, NOTHING, WORSE


def row(method, baseline, verdict, difference=0.01, low=-0.01, high=0.03):
    return {
        "label": method,
        "method": method,
        "baseline_label": baseline,
        "difference": difference,
        "low": low,
        "high": high,
        "kind": verdict,
    }


ROWS = [
    row("kd", "no_kd", BETTER, 0.02, 0.01, 0.03),
    row("alp_kd", "no_kd", WORSE, -0.02, -0.03, -0.01),
    row("alp_kd", "kd", NOT_DISTINGUISHABLE),
    row("alp_no", "kd", NOTHING, 0.01, math.nan, math.nan),
]


def test_every_comparison_has_its_name_its_word_and_its_baseline():
    said = texts(drawn(forest(ROWS)))
    assert said.count("alp_kd") == 2
    assert {"against no_kd", "against kd"} <= set(said)
    for word in ("better", "worse", "n. d.", "?"):
        assert said.count(word) == 1
    assert "difference in points" in said


def test_dots_are_full_only_where_a_difference_was_shown():
    axes = forest(ROWS).axes[0]
    dots = [line for line in axes.lines if line.get_linestyle() == "None"]
    faces = {line.get_color(): line.get_markerfacecolor() for line in dots}
    full = [line for line in dots if line.get_markerfacecolor() == line.get_color()]
    assert len(dots) == 4
    assert len(full) == 2
    assert faces


def test_dots_stand_at_the_differences_in_points():
    axes = forest(ROWS).axes[0]
    found = sorted(
        x for line in axes.lines if line.get_linestyle() == "None" for x in line.get_xdata()
    )
    assert found == [-2.0, 1.0, 1.0, 2.0]


def test_intervals_are_drawn_where_there_is_one():
    axes = forest(ROWS).axes[0]
    (lines,) = axes.collections
    ends = [[float(point[0]) for point in segment] for segment in lines.get_segments()]
    assert ends == [[1.0, 3.0], [-3.0, -1.0], [-1.0, 3.0]]


def test_an_interval_that_dwarfs_the_rest_is_cut_and_has_an_arrow():
    rows = [row(f"m{i}", "kd", NOT_DISTINGUISHABLE) for i in range(5)]
    wide = row("alp_kd", "kd", NOT_DISTINGUISHABLE, 0.01, -0.9, 0.9)
    axes = forest([*rows, wide]).axes[0]
    assert axes.get_xlim()[1] < 20
    assert [line.get_marker() for line in axes.lines].count("<") == 1
    assert [line.get_marker() for line in axes.lines].count(">") == 1


def test_a_comparison_without_numbers_keeps_its_line():
    empty = row("kd", "no_kd", NOTHING, None, None, None)
    picture = drawn(forest([empty]))
    assert "kd" in texts(picture)
    assert uses(picture, "blue") == 0


def test_errors_are_drawn_as_they_are():
    figure = forest(ROWS, "rmse")
    axes = figure.axes[0]
    dots = sorted(
        float(x) for line in axes.lines if line.get_linestyle() == "None" for x in line.get_xdata()
    )
    assert dots == [-0.02, 0.01, 0.01, 0.02]
    ends = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
    assert [0.01, 0.03] in ends
    assert 0.02 < axes.get_xlim()[1] < 0.1
    assert "difference in rmse" in texts(drawn(figure))
