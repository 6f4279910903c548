import numpy as np
import pytest
from tests.reporting.svgs import drawn, texts, uses

from alpkd_pipeline.reporting.plots.layers import layer_distances, layer_plane

TEACHER = [[0.0, 0.0], [1.0, 1.0], [2.0, 0.5]]


def geometry(shift=0.0):
    return {
        "pca": {
            "explained": [0.5, 0.25],
            "student": [[[0.0, 0.1], [0.2, 0.3]]] * 2,
            "teacher": [[[0.0, 0.1], [0.2, 0.3]]] * 3,
            "student_means": [[shift, 0.2], [1.0 + shift, 0.3]],
            "teacher_means": TEACHER,
        },
        "cosine_distance": [[0.1, 0.5, 0.9], [0.9, 0.4, 0.2]],
    }


def test_the_plane_says_what_it_explains_and_numbers_the_ends():
    said = texts(drawn(layer_plane([("kd", geometry())])))
    assert {"component 1 (50%)", "component 2 (25%)", "1", "2", "3"} <= {
        text.strip() for text in said
    }


def test_paths_are_the_layers_in_order():
    axes = layer_plane([("kd", geometry()), ("pkd", geometry(0.1)), ("alp_kd", geometry())]).axes[0]
    paths = [line.get_xydata().tolist() for line in axes.lines]
    assert paths[0] == [[0.0, 0.2], [1.0, 0.3]]
    assert paths[-1] == TEACHER
    assert len(paths) == 4  # no single examples for as many as three students


def test_few_students_show_their_single_examples():
    assert uses(drawn(layer_plane([("kd", geometry())])), "blue") == 2 + 4


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_every_student_has_its_map_and_a_dot_on_each_nearest_layer(count):
    figure = layer_distances([(f"m{i}", geometry()) for i in range(count)])
    axes = figure.axes[0]
    assert len(axes.lines) == count
    assert {f"m{i}" for i in range(count)} <= set(texts(drawn(figure)))
    assert axes.lines[0].get_xydata().tolist() == [[0.0, 0.0], [2.0, 1.0]]


def test_the_nearer_the_stronger():
    figure = layer_distances([("kd", geometry())])
    alpha = np.asarray(figure.axes[0].images[0].get_array())[:2, :3, 3]
    assert (alpha.argmax(axis=1) == [0, 2]).all()
    np.testing.assert_allclose(
        alpha / alpha[0, 0] * 0.9, 1 - np.array(geometry()["cosine_distance"])
    )
