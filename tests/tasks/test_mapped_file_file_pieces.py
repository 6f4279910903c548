from __future__ import annotations

import gc
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from tests.tasks.test_mapped_file import MEGABYTE, mapped_megabytes

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.mapped_file import FilePieces

HEADER = b"seven b"


def in_file(folder: Path, values: np.ndarray) -> FilePieces:
    (folder / "file").write_bytes(HEADER + values.tobytes())
    return FilePieces(folder / "file", len(HEADER), values.dtype, values.shape[1:])


@pytest.mark.parametrize("dtype", ["int8", "int32", "float16", "float32"])
@pytest.mark.parametrize("item_shape", [(), (3,), (2, 3)])
def test_pieces_in_any_order(tmp_path: Path, dtype: str, item_shape: tuple[int, ...]) -> None:
    values = np.arange(10 * np.prod(item_shape, dtype=int)).reshape(10, *item_shape).astype(dtype)
    starts, stops = np.array([7, 0, 4, 4]), np.array([10, 2, 4, 5])
    found = in_file(tmp_path, values).read(starts, stops)
    assert found.dtype == values.dtype
    assert np.array_equal(found, np.concatenate([values[7:10], values[0:2], values[4:5]]))


def test_no_piece_at_all(tmp_path: Path) -> None:
    none = np.array([], dtype=np.int64)
    assert in_file(tmp_path, np.ones((4, 2))).read(none, none).shape == (0, 2)


def test_what_was_read_can_be_written_to(tmp_path: Path) -> None:
    pieces, one = in_file(tmp_path, np.ones(3)), np.array([0])
    pieces.read(one, one + 1)[0] = 5
    assert pieces.read(one, one + 1)[0] == 1


def test_a_file_that_was_cut_is_named(tmp_path: Path) -> None:
    pieces = in_file(tmp_path, np.ones(8))
    with pytest.raises(UserError, match=r"file was cut short: delete its folder"):
        pieces.read(np.array([0, 6]), np.array([2, 9]))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_of_the_file_is_held(tmp_path: Path) -> None:
    pieces = in_file(tmp_path, np.zeros(50 * MEGABYTE, dtype=np.int8))
    before = mapped_megabytes()
    starts = np.arange(0, 50 * MEGABYTE, 100_000)
    pieces.read(starts, starts + 10)
    assert mapped_megabytes() < before + 1


def test_what_nobody_needs_any_more_is_closed_without_a_warning(tmp_path: Path) -> None:
    circle = [in_file(tmp_path, np.arange(4))]
    circle.append(circle)  # as a traceback holds it
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        del circle
        gc.collect()
    assert not [warning for warning in said if issubclass(warning.category, ResourceWarning)]
