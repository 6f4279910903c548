"""Where a student's layers lie: arithmetic on states made up here, then two real tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.evaluation.conftest import TASK, split
from transformers import BertForSequenceClassification

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.geometry import (
    POINTS,
    cosine_distance,
    measure_geometry,
    principal_plane,
)
from alpkd_pipeline.models.encoder import save_classifier
from alpkd_pipeline.tasks.encode import write_encoded
from alpkd_pipeline.training.devices import Hardware

ASKED: dict[str, Any] = {
    "hardware": Hardware("cpu", "a processor", "fp32", 1),
    "pooling": "cls",
}


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_distances_are_one_minus_cosine_averaged_over_examples() -> None:
    student, teacher = normal(5, 2, 4), normal(5, 3, 4, seed=1)
    found = cosine_distance(student, teacher)
    assert found.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            cosines = [
                s @ t / np.linalg.norm(s) / np.linalg.norm(t)
                for s, t in zip(student[:, i], teacher[:, j], strict=True)
            ]
            assert found[i, j] == pytest.approx(1 - np.mean(cosines))


def test_directions_count_and_lengths_do_not() -> None:
    x = np.array([[[1.0, 0.0]], [[0.0, 2.0]]])
    assert cosine_distance(x, 7 * x) == pytest.approx(0)
    assert cosine_distance(x, -x) == pytest.approx(2)
    assert cosine_distance(x, 0 * x) == pytest.approx(1)


def test_the_plane_is_the_teacher_s() -> None:
    """The teacher varies along two axes; what the student does across them is not seen."""
    teacher = np.zeros((100, 2, 3))
    teacher[:, :, 0] = 3 * normal(100, 2)
    teacher[:, :, 1] = normal(100, 2, seed=1)
    student = np.zeros((100, 1, 3))
    student[:, :, 2] = 50 * normal(100, 1, seed=2)
    found = principal_plane(student, teacher)
    assert found is not None
    assert sum(found["explained"]) == pytest.approx(1)
    assert found["explained"][0] == pytest.approx(0.9, abs=0.03)
    means = np.array(found["teacher_means"])
    seen = np.array(found["teacher"])
    assert seen.shape == (2, POINTS, 2)
    assert np.ptp(seen[..., 0]) > np.ptp(seen[..., 1])
    # Means are over all examples, also over those that are not drawn.
    assert means.mean(axis=0) == pytest.approx([0, 0], abs=1e-4)
    assert not np.allclose(seen.mean(axis=1), means, atol=1e-3)
    student_points = np.array(found["student"])
    assert np.ptp(student_points.reshape(-1, 2), axis=0) == pytest.approx([0, 0], abs=1e-4)


def test_distances_in_the_plane_are_those_of_the_states() -> None:
    """With two dimensions nothing is lost: the plane is the states, turned."""
    teacher, student = normal(8, 2, 2), normal(8, 1, 2, seed=1)
    found = principal_plane(student, teacher)
    assert found is not None
    drawn = np.linalg.norm(np.array(found["student"][0]) - np.array(found["teacher"][1]), axis=1)
    real = np.linalg.norm(student[:, 0] - teacher[:, 1], axis=1)
    assert drawn == pytest.approx(real, abs=1e-4)


def test_signs_of_the_axes_are_fixed() -> None:
    """The same states in another order, as another library of linear algebra might see them."""
    teacher, student = normal(40, 2, 5), normal(40, 1, 5, seed=1)
    one, other = (
        principal_plane(student[p], teacher[p]) for p in (slice(None), slice(None, None, -1))
    )
    assert one is not None
    assert other is not None
    assert np.array(one["teacher_means"]) == pytest.approx(
        np.array(other["teacher_means"]), abs=1e-4
    )


def test_teachers_without_a_plane() -> None:
    assert principal_plane(normal(1, 1, 4), normal(1, 1, 4)) is None
    assert principal_plane(normal(4, 1, 1), normal(4, 1, 1)) is None
    same = principal_plane(np.ones((4, 1, 3)), np.ones((4, 2, 3)))
    assert same is not None
    assert same["explained"] == [0.0, 0.0]


@pytest.fixture
def encoded(tmp_path: Path) -> Path:
    folder = tmp_path / "encoded"
    write_encoded(folder, "dev", split(np.arange(90) % 2))
    return folder


@pytest.fixture
def student(classifier: Path, tmp_path: Path, tokenizer) -> Path:
    """The teacher's first layer."""
    model = BertForSequenceClassification.from_pretrained(classifier)
    model.bert.encoder.layer = model.bert.encoder.layer[:1]
    model.config.num_hidden_layers = 1
    save_classifier(model, tokenizer, tmp_path / "student")
    return tmp_path / "student"


def test_a_cut_teacher_lies_on_its_own_first_layer(
    student: Path, classifier: Path, encoded: Path
) -> None:
    found = measure_geometry(student, classifier, encoded, TASK, **ASKED)
    assert (found["examples"], found["student_layers"], found["teacher_layers"]) == (90, 1, 2)
    assert found["pooling"] == "cls"
    assert found["nearest"] == [1]
    ((first, second),) = found["cosine_distance"]
    assert first == 0.0
    assert second > 0.01
    assert found["pca"]["student_means"] == found["pca"]["teacher_means"][:1]
    assert found["pca"]["student"] == found["pca"]["teacher"][:1]
    assert len(found["pca"]["student"][0]) == POINTS
    assert json.loads(json.dumps(found)) == found


def test_the_same_again_and_other_rows_for_another_seed(
    student: Path, classifier: Path, encoded: Path
) -> None:
    one, same, other = (
        measure_geometry(student, classifier, encoded, TASK, **ASKED, max_examples=16, seed=seed)
        for seed in (0, 0, 1)
    )
    assert one["examples"] == 16
    assert one == same
    assert one["cosine_distance"] != other["cosine_distance"]


def test_pooling_is_the_one_that_was_asked_for(
    student: Path, classifier: Path, encoded: Path
) -> None:
    cls, mean = (
        measure_geometry(student, classifier, encoded, TASK, **{**ASKED, "pooling": pooling})
        for pooling in ("cls", "mean")
    )
    assert (cls["pooling"], mean["pooling"]) == ("cls", "mean")
    assert cls["cosine_distance"] != mean["cosine_distance"]


def test_other_widths_have_no_distances(
    classifier: Path, encoded: Path, tmp_path: Path, tokenizer
) -> None:
    config = BertForSequenceClassification.from_pretrained(classifier).config
    config.hidden_size = 8
    save_classifier(BertForSequenceClassification(config), tokenizer, tmp_path / "narrow")
    found = measure_geometry(tmp_path / "narrow", classifier, encoded, TASK, **ASKED)
    assert (found["cosine_distance"], found["nearest"], found["pca"]) == (None, None, None)
    assert found["student_layers"] == 2


def test_no_rows_are_refused(student: Path, classifier: Path, tmp_path: Path) -> None:
    write_encoded(tmp_path / "none", "dev", split(np.empty(0, dtype=np.int64)))
    with pytest.raises(UserError, match="no rows"):
        measure_geometry(student, classifier, tmp_path / "none", TASK, **ASKED)


def test_a_diverged_student_is_named(
    student: Path, classifier: Path, encoded: Path, tokenizer
) -> None:
    model = BertForSequenceClassification.from_pretrained(student)
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.bias.fill_(float("nan"))
    save_classifier(model, tokenizer, student)
    with pytest.raises(UserError, match=r"states of .*student are not finite"):
        measure_geometry(student, classifier, encoded, TASK, **ASKED)


def test_all_rows_in_any_order_give_the_same_distances(
    student: Path, classifier: Path, encoded: Path
) -> None:
    """States are put back to the rows that they belong to, whatever batches they came in."""
    measure: Callable[..., dict[str, Any]] = measure_geometry
    one, other = (
        measure(student, classifier, encoded, TASK, **ASKED, seed=seed) for seed in (0, 1)
    )
    assert one["cosine_distance"] == other["cosine_distance"]
    assert one["pca"]["student"] != other["pca"]["student"]
