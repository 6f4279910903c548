import pytest
from tests.reporting.svgs import dashed, drawn, texts, uses

from alpkd_pipeline.reporting.plots.scores import MANY, Curve, loss_curves, score_curves

KD = Curve("kd", [(1, 0.6), (2, 0.7)], [[(1, 0.5), (2, 0.7)], [(1, 0.7), (2, 0.7)]])
NO = Curve("alp_no", [(1, 0.5), (2, 0.6)])


def test_means_are_lines_in_percent_and_seeds_are_faint():
    axes = score_curves([KD, NO]).axes[0]
    assert [list(line.get_ydata()) for line in axes.lines] == [[60.0, 70.0], [50.0, 60.0]]
    (faint,) = axes.collections
    assert len(faint.get_segments()) == 2
    assert faint.get_alpha() < 0.5


def test_relatives_differ_in_their_lines():
    assert dashed(drawn(score_curves([NO]))) == 1
    assert dashed(drawn(score_curves([KD]))) == 0


def test_the_teacher_is_a_dashed_line():
    figure = score_curves([KD], [0.9, 0.8])
    assert list(figure.axes[0].lines[-1].get_ydata()) == pytest.approx([85.0, 85.0])


def test_many_evaluations_carry_no_markers():
    long = Curve("kd", [(i, 0.5) for i in range(MANY)])
    assert uses(drawn(score_curves([long])), "blue") == 0
    assert uses(drawn(score_curves([KD])), "blue") == 2


def test_one_evaluation_shows_as_a_marker():
    assert uses(drawn(score_curves([Curve("kd", [(1, 0.5)])])), "blue") == 1


def test_each_term_has_its_strip_with_its_least_and_largest_value():
    hard = [Curve("kd", [(0.5, 2.0), (1, 1.0)]), Curve("alp_no", [(0.5, 3.0), (1, 1.5)])]
    soft = [Curve("kd", [(0.5, 10.0), (1, 5.0)])]
    figure = loss_curves({"hard": hard, "soft": soft})
    said = texts(drawn(figure))
    assert {"hard", "soft", "1", "3", "5", "10", "epoch"} <= set(said)
    lines = [c for c in figure.axes[0].collections if c.get_zorder() != 0]
    assert [len(strip.get_segments()) for strip in lines] == [2, 1]
    heights = [[y for path in strip.get_segments() for _, y in path] for strip in lines]
    assert all(1 <= y < 2 for y in heights[0])
    assert all(0 <= y < 1 for y in heights[1])


def test_a_loss_that_stays_is_drawn():
    drawn(loss_curves({"hard": [Curve("kd", [(0.5, 1.0), (1, 1.0)])]}))


def test_errors_are_drawn_as_they_are():
    axes = score_curves([KD], [0.9, 0.8], 1.0).axes[0]
    assert list(axes.lines[0].get_ydata()) == [0.6, 0.7]
    assert list(axes.lines[-1].get_ydata()) == pytest.approx([0.85, 0.85])
    assert axes.collections[0].get_segments()[0].tolist() == [[1.0, 0.5], [2.0, 0.7]]
