from __future__ import annotations

import numpy as np
import pytest
import torch

from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.batching import (
    collate,
    epoch_batches,
    sorted_batches,
    steps_per_epoch,
)


def split(*rows: list[int], types: bool = True) -> EncodedSplit:
    lengths = [len(row) for row in rows]
    flat = [token for row in rows for token in row]
    return EncodedSplit(
        offsets=np.array([0, *np.cumsum(lengths)]),
        input_ids=np.array(flat, dtype=np.int32),
        token_type_ids=np.array([t % 2 for t in flat], dtype=np.int8) if types else None,
        labels=np.arange(len(rows)),
        idx=np.arange(len(rows)) + 100,
        max_length=9,
        cut_rows=0,
    )


LENGTHS = np.random.default_rng(0).integers(3, 60, size=1000)


def test_an_epoch_holds_every_row_once() -> None:
    batches = epoch_batches(LENGTHS, np.arange(1000), 32, seed=3, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert sorted(len(b) for b in batches)[:2] == [8, 32]


def test_only_the_chosen_rows_are_used() -> None:
    rows = np.array([5, 7, 900])
    assert sorted(np.concatenate(epoch_batches(LENGTHS, rows, 2, 0, 0))) == [5, 7, 900]


def test_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return list(np.concatenate(epoch_batches(LENGTHS, np.arange(1000), 32, seed, epoch)))

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_grouping_by_length_saves_padding_and_keeps_the_order_random() -> None:
    def padded(batches: list[np.ndarray]) -> int:
        return sum(int(LENGTHS[b].max()) * len(b) for b in batches)

    grouped = epoch_batches(LENGTHS, np.arange(1000), 32, 0, 0)
    shuffled = np.array_split(np.random.default_rng(0).permutation(1000), len(grouped))
    assert padded(grouped) < 0.75 * padded(shuffled)
    longest = [int(LENGTHS[b].max()) for b in grouped]
    assert longest != sorted(longest)


def test_without_grouping_rows_are_batched_as_they_were_drawn() -> None:
    draw = np.random.Generator(np.random.PCG64([7, 1]))
    drawn = draw.permutation(1000)
    wanted = [set(drawn[i : i + 32]) for i in range(0, 1000, 32)]
    wanted = [wanted[i] for i in draw.permutation(len(wanted))]
    found = epoch_batches(LENGTHS, np.arange(1000), 32, seed=7, epoch=1, by_length=False)
    assert list(map(set, found)) == wanted


def test_sorted_batches_begin_with_the_longest() -> None:
    batches = list(sorted_batches(np.array([3, 9, 1, 5]), 2))
    assert [b.tolist() for b in batches] == [[1, 3], [0, 2]]


@pytest.mark.parametrize(
    ("rows", "batch", "accumulation", "steps"),
    [(100, 32, 1, 4), (100, 32, 2, 2), (96, 32, 1, 3), (1, 32, 4, 1), (100, 32, 3, 2)],
)
def test_steps_per_epoch(rows: int, batch: int, accumulation: int, steps: int) -> None:
    assert steps_per_epoch(rows, batch, accumulation) == steps


def test_collate_pads_to_the_longest_of_the_batch() -> None:
    batch = collate(split([7, 8, 9], [5], [4, 6]), np.array([2, 0]), pad_id=0)
    assert batch.inputs["input_ids"].tolist() == [[4, 6, 0], [7, 8, 9]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.inputs["token_type_ids"].tolist() == [[0, 0, 0], [1, 0, 1]]
    assert batch.rows.tolist() == [2, 0]
    assert batch.labels.tolist() == [2, 0]
    assert batch.labels.dtype == torch.int64


def test_collate_uses_the_padding_id_and_leaves_out_types_that_are_not_there() -> None:
    batch = collate(split([7, 8], [5], types=False), np.array([0, 1]), pad_id=3)
    assert batch.inputs["input_ids"].tolist() == [[7, 8], [5, 3]]
    assert "token_type_ids" not in batch.inputs


def test_regression_labels_are_floats() -> None:
    made = split([1], [2])
    made = EncodedSplit(made.offsets, made.input_ids, None, np.array([0.5, 4.25]), made.idx, 9, 0)
    labels = collate(made, np.array([1, 0]), pad_id=0).labels
    assert labels.dtype == torch.float32
    assert labels.tolist() == [4.25, 0.5]


def test_the_order_is_the_one_that_was_drawn_also_among_rows_of_one_length() -> None:
    """A sort that is not stable would make other batches on another CPU."""
    lengths = np.random.default_rng(0).integers(3, 5, size=1000)
    draw = np.random.Generator(np.random.PCG64([7, 1]))
    drawn = draw.permutation(1000)
    first = sorted(drawn[: 32 * 16], key=lambda row: lengths[row])
    rest = sorted(drawn[32 * 16 :], key=lambda row: lengths[row])
    sorted_ones = [part[i : i + 32] for part in (first, rest) for i in range(0, len(part), 32)]
    wanted = [sorted_ones[i] for i in draw.permutation(len(sorted_ones))]
    found = epoch_batches(lengths, np.arange(1000), 32, seed=7, epoch=1)
    assert list(map(list, found)) == wanted


def test_passes_without_an_order_have_one_all_the_same() -> None:
    lengths = np.random.default_rng(0).integers(3, 5, size=1000)
    found = list(np.concatenate(list(sorted_batches(lengths, 32))))
    assert found == sorted(range(1000), key=lambda row: -lengths[row])
