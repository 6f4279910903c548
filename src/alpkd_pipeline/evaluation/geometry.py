"""Where a student's layers lie among its teacher's: distances and a common plane of their states.

The look into the encoder that ALP-KD's authors take (Passban et al., AAAI 2021, their figure of
[CLS] states): after distillation, does a student layer lie near one teacher layer, or in between?

Shapes: E examples, m student layers, n teacher layers, L layers of either, D width.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.score import check_split, first_dev, loaded_model
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.devices import Hardware, LoadedModel
from alpkd_pipeline.training.memory import MicrobatchSize
from alpkd_pipeline.training.predict import iterate_outputs

BATCH_SIZE = 64
POINTS = 64  # examples that are drawn one by one in the plane; means are over all examples
DIGITS = 5  # coarse enough that the order in which threads add up does not show


def measure_geometry(
    student: Path,
    teacher: Path,
    encoded: Path,
    task: Task,
    hardware: Hardware,
    pooling: str,
    max_examples: int = 256,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the pooled states of every layer of two models on the same rows of the first dev.

    Returns:
        JSON-ready: `examples`, `pooling`, `student_layers` m, `teacher_layers` n;
        `cosine_distance`, m x n, the mean over the examples of 1 - cos; `nearest`, for each student
        layer the number of the teacher layer at the least distance, counted from 1; `pca`, see
        `principal_plane`. The last three are None where the widths differ.

    Raises:
        UserError: no rows, states that are not finite, or a model that does not fit.
    """
    name, split = first_dev(encoded, task, "there are no states to compare")
    draw = np.random.Generator(np.random.PCG64(seed))
    rows = draw.permutation(len(split))[:max_examples]
    states = []
    for folder in (student, teacher):
        with loaded_model(folder, task, hardware) as loaded:
            check_split(loaded, split, name)
            states.append(layer_states(loaded, split, rows, pooling))
    student_EmD, teacher_EnD = states  # noqa: N806
    found: dict[str, Any] = {
        "examples": len(rows),
        "pooling": pooling,
        "student_layers": student_EmD.shape[1],
        "teacher_layers": teacher_EnD.shape[1],
        "split": name,
    }
    if student_EmD.shape[2] != teacher_EnD.shape[2]:
        return {**found, "cosine_distance": None, "nearest": None, "pca": None}
    distance = cosine_distance(student_EmD, teacher_EnD)
    return {
        **found,
        "cosine_distance": _rounded(distance),
        "nearest": [int(place) + 1 for place in distance.argmin(axis=1)],
        "pca": principal_plane(student_EmD, teacher_EnD),
    }


def layer_states(
    loaded: LoadedModel, split: EncodedSplit, rows: np.ndarray, pooling: str
) -> np.ndarray:
    """The pooled states (E, L, D) of some rows, in float64, in the order of `rows`.

    Raises:
        UserError: a state is not finite.
    """
    place = {int(row): number for number, row in enumerate(rows)}
    states: np.ndarray | None = None
    limit = MicrobatchSize(BATCH_SIZE, "evaluation")
    for out in iterate_outputs(loaded, split, limit, pooling=pooling, layers=True, only=rows):
        assert out.layers is not None
        layers_BLD = out.layers.cpu().numpy()  # noqa: N806
        if states is None:
            states = np.empty((len(rows), *layers_BLD.shape[1:]))
        states[[place[int(row)] for row in out.rows]] = layers_BLD
    if states is None or not np.isfinite(states).all():
        raise UserError(
            f"the states of {loaded.folder} are not finite: its weights are damaged or its"
            " training diverged; train it again with a lower learning rate"
        )
    return states


def cosine_distance(student_EmD: np.ndarray, teacher_EnD: np.ndarray) -> np.ndarray:  # noqa: N803
    """The mean over the examples of 1 - cos between every two layers, (m, n), 0 to 2.

    A state of zeros points nowhere: its distance to everything is 1.
    """
    units = [_units(states) for states in (student_EmD, teacher_EnD)]
    return 1.0 - np.einsum("emd,end->mn", *units) / len(student_EmD)


def principal_plane(
    student_EmD: np.ndarray,  # noqa: N803
    teacher_EnD: np.ndarray,  # noqa: N803
) -> dict[str, Any] | None:
    """The plane in which the teacher's layers spread most, and where both models' states lie in it.

    Fitted on the teacher alone, so that students of one teacher are drawn on the same map.

    Returns:
        `explained`: the two shares of the teacher's variance; `student` and `teacher`: for each
        layer up to 64 points [x, y], the same examples in the same order; `student_means` and
        `teacher_means`: each layer's mean over all examples. None where there are fewer than two
        teacher states or a width of 1: no plane.
    """
    from sklearn.decomposition import PCA

    width = teacher_EnD.shape[2]
    flat = teacher_EnD.reshape(-1, width)
    if min(flat.shape) < 2:
        return None
    # All singular values, no random start. scikit-learn makes the largest loading positive.
    with np.errstate(invalid="ignore"):  # states that are all the same have no variance to share
        plane = PCA(n_components=2, svd_solver="full").fit(flat)
    points = {
        name: plane.transform(states.reshape(-1, width)).reshape(*states.shape[:2], 2)
        for name, states in (("student", student_EmD), ("teacher", teacher_EnD))
    }
    # Layer first: that is how they are drawn.
    drawn = {name: _rounded(xy[:POINTS].swapaxes(0, 1)) for name, xy in points.items()}
    means = {f"{name}_means": _rounded(xy.mean(axis=0)) for name, xy in points.items()}
    explained = np.nan_to_num(plane.explained_variance_ratio_)
    return {"explained": _rounded(explained), **drawn, **means}


def _units(states: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(states, axis=2, keepdims=True)
    return np.divide(states, length, out=np.zeros_like(states), where=length > 0)


def _rounded(values: np.ndarray) -> Any:
    # Adding 0 turns -0.0 into 0.0.
    return (np.round(values, DIGITS) + 0.0).tolist()
