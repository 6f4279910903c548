"""Reading files of answers: the numbers that were written, fast, and nothing from other files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alpkd_pipeline.reporting.statistics.predictions import labels_and_predictions, read_predictions
from alpkd_pipeline.tasks.metrics import predictions_frame
from alpkd_pipeline.tasks.task import Task

HEAD = b"idx,label,prediction\n"


def written(rows: int, *names: str) -> tuple[pd.DataFrame, bytes]:
    """Answers on so many rows, and their file: of classes with these names, or of numbers."""
    kind = "classification" if names else "regression"
    task = Task("toy", kind, ("text",), names, ("accuracy",) if names else ("pearson",))
    draw = np.random.default_rng(rows)
    logits = draw.normal(size=(rows, task.num_labels)).astype(np.float32)
    labels = draw.integers(0, 2, rows) if names else draw.uniform(-1, 5, rows).round(2)
    frame = predictions_frame(task, draw.permutation(30 * rows)[:rows], labels, logits)
    return frame, frame.to_csv(index=False, lineterminator="\n").encode()


@pytest.mark.parametrize(
    "names",
    [
        ("no", "yes"),
        ("a", "b", "c"),
        ('says "no", twice', "two\nlines", 'an odd " mark'),
        tuple(f"class {i}" for i in range(120)),
        (),
    ],
)
def test_what_was_written_is_read_to_the_last_bit(names: tuple[str, ...]) -> None:
    frame, data = written(200, *names)
    found = read_predictions(data)
    assert found.idx.tolist() == frame["idx"].tolist()
    assert found.labels.tolist() == frame["label"].tolist()
    assert found.predictions.tolist() == frame["prediction"].tolist()
    assert found.probabilities.tolist() == frame.iloc[:, 3:].to_numpy().tolist()
    kinds = {values.dtype.kind for values in (found.labels, found.predictions)}
    assert kinds == ({"i"} if names else {"f"})


def test_labels_and_predictions_alone_are_the_same() -> None:
    for names in (("no", "yes"), ()):
        frame, data = written(50, *names)
        assert labels_and_predictions(data) == (
            frame["label"].tolist(),
            frame["prediction"].tolist(),
        )


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        (b"9223372036854775807,1,0", [2**63 - 1, 1, 0]),
        (b"-9223372036854775808,-1,-0.5", [-(2**63), -1, -0.5]),
        (b"123456789,1e-05,nan", [123456789, 1e-5, float("nan")]),
        (b"1234567890,0010,2.0", [1234567890, 10, 2.0]),
    ],
)
def test_numbers_of_every_form(row: bytes, numbers: list[float]) -> None:
    found = read_predictions(HEAD + row + b"\n")
    read = [found.idx[0], found.labels[0], found.predictions[0]]
    assert [repr(value.item()) for value in read] == [repr(value) for value in numbers]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b'"',
        b'"\n',
        HEAD,
        HEAD + b"1,1,0",
        HEAD + b"1,1\n",
        HEAD + b"1,1,\n",
        HEAD + b"1,,1\n",
        HEAD + b"1,1,yes\n",
        HEAD + b"1,1,1\n2,1\n",
        HEAD + b"1,1,1\n2,1,1,1\n3,1\n",
        HEAD + b"\n1,1,1\n",
        b"label,idx,prediction\n1,1,1\n",
        b"PK\x03\x04" + bytes(range(256)),
    ],
)
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_predictions(data)
    with pytest.raises(ValueError, match=r"."):
        labels_and_predictions(data)
