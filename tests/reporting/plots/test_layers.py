import struct

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from tests.reporting.svgs import drawn, texts

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.plots.canvas import png
from alpkd_pipeline.reporting.plots.layers import Attention, attention_maps, mean_attention

WEIGHTS = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])
KD = Attention("alp_kd", WEIGHTS, [0.63, None])
NO = Attention("alp_no", WEIGHTS[::-1], [0.5, 0.25])


def test_the_largest_weight_of_each_row_and_its_entropy_are_written():
    said = texts(drawn(attention_maps([KD, NO])))
    assert said.count(".70") == 2
    assert said.count("1.00") == 2
    assert {"alp_kd", "alp_no", "63%", "–", "50%", "25%", "teacher layer"} <= set(said)
    assert ".20" not in said


def test_shades_are_the_weights_of_each_map_over_its_largest():
    axes = attention_maps([KD, NO]).axes[0]
    (image,) = axes.images
    alpha = np.asarray(image.get_array())[..., 3]
    maps = [alpha[2:4], alpha[6:8]]
    for shown, weights in zip(maps, (WEIGHTS, WEIGHTS[::-1]), strict=True):
        np.testing.assert_allclose(shown / alpha.max(), weights, atol=1e-6)


def test_weights_of_exactly_zero_are_dots():
    axes = attention_maps([KD]).axes[0]
    (dots,) = axes.lines
    assert list(zip(dots.get_xdata(), dots.get_ydata(), strict=True)) == [(0, 3), (1, 3)]


def test_many_teacher_layers_are_not_all_numbered():
    wide = Attention("alp_kd", np.full((1, 24), 1 / 24), [1.0])
    said = texts(drawn(attention_maps([wide])))
    assert "1" in said
    assert "2" not in said


# Two student layers over four teacher layers; the second may draw on layers 3 and 4 only.
ONE = {
    "weights": [[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.9, 0.1]],
    "entropy": [np.log(4), 0.5 * np.log(2)],
    "max_entropy": [np.log(4), np.log(2)],
}


def test_the_mean_of_one_run_is_that_run():
    found = mean_attention("alp_kd", [ONE])
    assert found.weights.tolist() == ONE["weights"]
    assert found.shares == [1.0, 0.5]


def test_the_mean_is_taken_over_runs():
    other = {**ONE, "weights": [[0.75, 0.25, 0.0, 0.0], [0.0, 0.0, 0.1, 0.9]]}
    found = mean_attention("alp_kd", [ONE, other])
    np.testing.assert_allclose(found.weights, [[0.5, 0.25, 0.125, 0.125], [0, 0, 0.5, 0.5]])


def test_layers_count_from_one_and_each_row_says_its_entropy():
    said = texts(drawn(attention_maps([mean_attention("alp_kd", [ONE])])))
    assert {"1", "2", "3", "4", ".25", ".90", "100%", "50%"} <= set(said)


def test_a_single_allowed_layer_has_no_share():
    found = {"weights": [[0.0, 1.0]], "entropy": [0.0], "max_entropy": [0.0]}
    assert mean_attention("alp_kd", [found]).shares == [None]


@pytest.mark.parametrize(
    "change",
    [
        {"entropy": ONE["entropy"][:1]},
        {"max_entropy": ONE["max_entropy"][:1]},
        {"weights": ONE["weights"][0]},
        {"weights": [], "entropy": [], "max_entropy": []},
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(change):
    with pytest.raises(UserError, match="shape"):
        mean_attention("alp_kd", [ONE | change])


def test_nan_is_refused():
    found = {"weights": [[np.nan, 1.0]], "entropy": [0.0], "max_entropy": [0.5]}
    with pytest.raises(UserError, match="NaN"):
        mean_attention("alp_kd", [found])


def test_png_has_the_size_of_the_figure_and_is_the_same_each_time():
    pictures = [png(attention_maps([mean_attention("alp_kd", [ONE])])) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0].startswith(b"\x89PNG")
    size = attention_maps([mean_attention("alp_kd", [ONE])]).get_size_inches()
    assert struct.unpack(">II", pictures[0][16:24]) == tuple(int(200 * inches) for inches in size)


def test_pyplot_and_its_settings_are_left_alone():
    before = dict(matplotlib.rcParams)
    figures = plt.get_fignums()
    png(attention_maps([KD]))
    assert plt.get_fignums() == figures
    assert dict(matplotlib.rcParams) == before
