import numpy as np

from alpkd_pipeline.reporting.plots.canvas import FULL, draw_shades, panel


def test_values_are_opacities_of_one_hue_and_stay_in_their_range():
    _, axes = panel(1.0)
    draw_shades(axes, np.array([[0.0, 0.5], [1.0, 7.0]]))
    pixels = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(pixels[..., 3], [[0.0, FULL / 2], [FULL, FULL]])
    assert len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)) == 1
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # row 1 on top
