import struct

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.run_pictures import attention_heatmap, figure_png

# Two student layers over four teacher layers; the second may draw on layers 3 and 4 only.
WEIGHTS = [[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.9, 0.1]]
ENTROPY = [np.log(4), 0.5 * np.log(2)]
MOST = [np.log(4), np.log(2)]


def draw(weights=WEIGHTS, entropy=ENTROPY, most=MOST):
    return attention_heatmap(weights, entropy, most, "a title")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_png_has_the_size_of_the_figure():
    figure = draw()
    png = figure_png(figure)
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == tuple(int(150 * inches) for inches in figure.get_size_inches())


def test_same_figure_same_bytes():
    assert figure_png(draw()) == figure_png(draw())


def test_numbers_stand_in_the_cells_that_have_weight():
    left, right, *_ = draw().axes
    assert texts(left) == ["0.25"] * 4 + ["0.90", "0.10"]
    assert texts(right) == ["100%", "50%"]


def test_layers_count_from_one():
    left = draw().axes[0]
    assert [t.get_text() for t in left.get_xticklabels()] == ["1", "2", "3", "4"]
    assert [t.get_text() for t in left.get_yticklabels()] == ["1", "2"]


def test_layers_outside_the_bucket_are_masked():
    image = draw().axes[0].images[0].get_array()
    assert image.mask.tolist() == [[False] * 4, [True, True, False, False]]


def test_a_single_allowed_layer_has_no_share():
    _, right, *_ = draw([[0.0, 1.0]], [0.0], [0.0]).axes
    assert texts(right) == ["one layer"]


def test_many_teacher_layers_leave_no_room_for_numbers():
    left, *_ = draw(np.full((2, 24), 1 / 24), [np.log(24)] * 2, [np.log(24)] * 2).axes
    assert texts(left) == []


def test_pyplot_and_its_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    figures = plt.get_fignums()
    figure_png(draw())
    assert plt.get_fignums() == figures
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("weights", "entropy", "most"),
    [
        (WEIGHTS, ENTROPY[:1], MOST),
        (WEIGHTS, ENTROPY, MOST[:1]),
        (WEIGHTS[0], ENTROPY, MOST),
        ([], [], []),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(weights, entropy, most):
    with pytest.raises(UserError, match="shape"):
        draw(weights, entropy, most)


def test_nan_is_refused():
    with pytest.raises(UserError, match="NaN"):
        draw([[np.nan, 1.0]], [0.0], [0.5])
