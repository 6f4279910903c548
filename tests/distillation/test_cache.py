"""The cache of teacher signals: what is written is what is read, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from alpkd_pipeline.distillation.cache import RELEASE_EVERY, CachedSignals, write_signals
from alpkd_pipeline.errors import UserError

ROWS, CLASSES, LAYERS, WIDTH = 6, 3, 4, 5
CPU = torch.device("cpu")


@dataclass
class Output:
    rows: np.ndarray
    logits: Tensor
    layers: Tensor | None


def logits() -> Tensor:
    return torch.sin(torch.arange(ROWS * CLASSES, dtype=torch.float32)).reshape(ROWS, CLASSES)


def layers() -> Tensor:
    values = 10 * torch.cos(torch.arange(ROWS * LAYERS * WIDTH, dtype=torch.float32))
    return values.reshape(ROWS, LAYERS, WIDTH)


def outputs(*groups: list[int], said: Tensor | None = None, states: Tensor | None = None):
    said = logits() if said is None else said
    states = layers() if states is None else states
    for group in groups:
        yield Output(np.array(group), said[group], states[group])


SHUFFLED = ([4, 0], [5, 2, 1], [3])


@pytest.fixture(params=["fp16", "fp32"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path, dtype: str) -> Path:
    write_signals(tmp_path / "signals", "train", ROWS, outputs(*SHUFFLED), dtype)
    return tmp_path / "signals"


def cached(folder: Path, split: str = "train", layers: bool = True) -> CachedSignals:
    return CachedSignals(folder, split, CPU, layers=layers)


def test_rows_come_back_in_the_order_they_are_asked_for(folder: Path, dtype: str) -> None:
    source = cached(folder)
    assert len(source) == ROWS
    for rows in ([0, 1, 2, 3, 4, 5], [5, 0, 3], [2], [1, 1]):
        found = source.signals(torch.tensor(rows), {})
        torch.testing.assert_close(found.logits, logits()[rows], rtol=0, atol=0)
        assert found.layers is not None
        expected = layers()[rows]
        if dtype == "fp16":
            expected = expected.half().float()
        torch.testing.assert_close(found.layers, expected, rtol=0, atol=0)


def test_signals_are_fp32_whatever_is_on_disk(folder: Path) -> None:
    found = cached(folder).read(np.array([1, 2]))
    assert found.layers is not None
    assert (found.logits.dtype, found.layers.dtype) == (torch.float32, torch.float32)
    assert (found.logits.shape, found.layers.shape) == ((2, CLASSES), (2, LAYERS, WIDTH))


def test_half_precision_keeps_three_digits(tmp_path: Path) -> None:
    write_signals(tmp_path, "train", ROWS, outputs(*SHUFFLED), "fp16")
    found = cached(tmp_path).read(np.arange(ROWS)).layers
    assert found is not None
    torch.testing.assert_close(found, layers(), rtol=1e-3, atol=0)
    assert not torch.equal(found, layers())


def test_a_reader_cannot_change_the_cache(folder: Path) -> None:
    first = cached(folder).read(np.array([0]))
    first.logits.fill_(99.0)
    assert first.layers is not None
    first.layers.fill_(99.0)
    again = cached(folder).read(np.array([0]))
    torch.testing.assert_close(again.logits, logits()[:1])


def test_layers_are_read_only_where_they_are_wanted(folder: Path) -> None:
    (folder / "train.layers.npy").unlink()
    found = cached(folder, layers=False).read(np.array([0, 5]))
    assert found.layers is None
    torch.testing.assert_close(found.logits, logits()[[0, 5]])


@pytest.mark.parametrize(("dtype", "digits"), [("fp16", 2), ("fp32", 4)], indirect=["dtype"])
def test_a_row_costs_layers_times_width_times_two_bytes_in_fp16(folder: Path, digits: int) -> None:
    header = 128  # NumPy's, once a file
    assert (folder / "train.layers.npy").stat().st_size == header + ROWS * LAYERS * WIDTH * digits
    assert (folder / "train.logits.npy").stat().st_size == header + ROWS * CLASSES * 4


def test_splits_lie_side_by_side(folder: Path) -> None:
    write_signals(folder, "dev", 2, outputs([1], [0], said=-logits()), "fp32")
    torch.testing.assert_close(cached(folder, "dev").read(np.array([1])).logits, -logits()[1:2])
    torch.testing.assert_close(cached(folder).read(np.array([1])).logits, logits()[1:2])
    assert (len(cached(folder, "dev")), len(cached(folder))) == (2, ROWS)


def refused(folder: Path, split: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        cached(folder, split)
    line = str(caught.value)
    assert "\n" not in line
    assert "--force signals" in line
    return line


def test_a_missing_split_is_named(folder: Path) -> None:
    assert "dev.logits.npy" in refused(folder, "dev")


def test_a_missing_cache_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refused(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"not numpy", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_named(folder: Path, content: bytes) -> None:
    (folder / "train.layers.npy").write_bytes(content)
    assert "train.layers.npy" in refused(folder)


def test_a_file_that_lost_its_end_is_named(folder: Path) -> None:
    path = folder / "train.layers.npy"
    path.write_bytes(path.read_bytes()[:-10])
    assert "train.layers.npy" in refused(folder)


def test_objects_are_not_loaded(folder: Path) -> None:
    np.save(folder / "train.layers.npy", np.array([{"code": 1}]), allow_pickle=True)
    assert "train.layers.npy" in refused(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_outputs_that_are_no_numbers_are_refused(tmp_path: Path, dtype: str, value: float) -> None:
    said = logits()
    said[3, 1] = value
    with pytest.raises(UserError, match="outputs on split 'dev' are not finite"):
        write_signals(tmp_path, "dev", ROWS, outputs(*SHUFFLED, said=said), dtype)


@pytest.mark.parametrize(
    ("dtype", "value", "fits"),
    [
        ("fp16", 65504.0, True),
        ("fp16", 70000.0, False),
        ("fp32", 70000.0, True),
    ],
    indirect=["dtype"],
)
def test_states_that_do_not_fit_are_refused(
    tmp_path: Path, dtype: str, value: float, fits: bool
) -> None:
    states = layers()
    states[2, 1, 4] = value
    if fits:
        write_signals(tmp_path, "train", ROWS, outputs(*SHUFFLED, states=states), dtype)
        found = cached(tmp_path).read(np.array([2])).layers
        assert found is not None
        assert float(found[0, 1, 4]) == value
        return
    with pytest.raises(UserError, match=rf"split 'train' do not fit into {dtype}"):
        write_signals(tmp_path, "train", ROWS, outputs(*SHUFFLED, states=states), dtype)


def test_a_batch_is_in_the_file_before_the_next_one_is_asked_for(tmp_path: Path) -> None:
    seen: list[int] = []

    def watched() -> Iterator[Output]:
        for number, out in enumerate(outputs(*SHUFFLED)):
            if number:
                seen.append(int(np.count_nonzero(np.load(tmp_path / "train.logits.npy")) > 0))
            yield out

    write_signals(tmp_path, "train", ROWS, watched(), "fp32")
    assert seen == [1, 1]


def test_states_that_are_no_numbers_are_not_blamed_on_the_dtype(tmp_path: Path) -> None:
    states = layers()
    states[0, 0, 0] = float("nan")
    with pytest.raises(UserError) as caught:
        write_signals(tmp_path, "train", ROWS, outputs(*SHUFFLED, states=states), "fp32")
    assert "signals.dtype" not in str(caught.value)


def test_pages_given_back_while_writing_lose_nothing(tmp_path: Path) -> None:
    states = layers()
    each = [outputs([row], states=states) for row in range(ROWS)]
    again = [out for _ in range(2 * RELEASE_EVERY) for batch in each for out in batch]
    write_signals(tmp_path, "train", ROWS, again, "fp32")
    found = cached(tmp_path).read(np.arange(ROWS)).layers
    assert found is not None
    assert torch.equal(found, states)
