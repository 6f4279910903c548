import pytest
from tests.reporting.svgs import dashed, drawn, texts, uses

from alpkd_pipeline.reporting.plots.scores import seed_dots

ARMS = [
    {"label": "kd", "method": "kd", "mean": 0.71, "per_seed": {0: 0.70, 1: 0.72, 4: 0.71}},
    {"label": "alp_kd (x=1)", "method": "alp_kd", "mean": 0.80, "per_seed": {0: 0.80}},
]


def test_each_seed_is_a_dot():
    picture = drawn(seed_dots(ARMS))
    assert uses(picture, "blue") == 3
    assert uses(picture, "red") == 1
    assert {"kd", "alp_kd (x=1)"} <= set(texts(picture))


def test_scores_are_in_percent_on_the_row_of_their_method():
    axes = seed_dots(ARMS).axes[0]
    assert [list(line.get_xdata()) for line in axes.lines] == [[70.0, 72.0, 71.0], [80.0]]
    assert [set(line.get_ydata()) for line in axes.lines] == [{0}, {1}]


def test_means_are_short_lines():
    (means,) = seed_dots(ARMS).axes[0].collections
    assert [float(segment[0][0]) for segment in means.get_segments()] == [71.0, 80.0]


def test_the_teacher_is_a_dashed_line_at_the_mean_of_the_teachers():
    figure = seed_dots(ARMS, [0.9, 0.8])
    line = figure.axes[0].lines[-1]
    assert list(line.get_xdata()) == pytest.approx([85.0, 85.0])
    picture = drawn(figure)
    assert dashed(picture) == 1
    assert "teacher" in texts(picture)


def test_without_a_teacher_nothing_is_dashed():
    assert dashed(drawn(seed_dots(ARMS))) == 0


def test_errors_are_drawn_as_they_are():
    axes = seed_dots(ARMS, [0.9, 0.8], 1.0).axes[0]
    assert list(axes.lines[0].get_xdata()) == [0.70, 0.72, 0.71]
    assert float(axes.collections[0].get_segments()[0][0][0]) == pytest.approx(0.71)
    assert list(axes.lines[-1].get_xdata()) == pytest.approx([0.85, 0.85])
