import numpy as np
from tests.reporting.svgs import drawn, texts

from alpkd_pipeline.reporting.plots.attention import Attention, attention_maps

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
