from tests.reporting.svgs import drawn, texts, uses

from alpkd_pipeline.reporting.plots.scores import Curve, score_against

KD = Curve("kd", [(2.0, 0.7), (4.0, 0.8)])


def test_the_depths_of_a_method_are_joined_in_percent():
    (line,) = score_against([KD], "million parameters").axes[0].lines
    assert list(line.get_xdata()) == [2.0, 4.0]
    assert list(line.get_ydata()) == [70.0, 80.0]


def test_the_axis_says_what_the_cost_is_and_starts_at_zero():
    figure = score_against([KD], "million parameters")
    assert "million parameters" in texts(drawn(figure))
    assert figure.axes[0].get_xlim()[0] == 0.0


def test_the_teacher_is_a_star_where_it_is_known():
    with_teacher = drawn(score_against([KD], "x", (9.0, 0.9)))
    assert "teacher" in texts(with_teacher)
    assert "teacher" not in texts(drawn(score_against([KD], "x")))
    assert uses(with_teacher, "blue") == 2


def test_errors_are_drawn_as_they_are():
    line, star = score_against([KD], "x", (9.0, 0.9), 1.0).axes[0].lines
    assert (list(line.get_ydata()), list(star.get_ydata())) == ([0.7, 0.8], [0.9])
