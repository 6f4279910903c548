from __future__ import annotations

import logging
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.event_log import EventLog, read_event_log
from alpkd_pipeline.training.memory import (
    MicrobatchSize,
    attempt,
    is_out_of_memory,
    logged_limit,
    memory_errors,
)

CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total capacity of 8 GiB."


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(CUDA),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_whoever_says_it(error: BaseException) -> None:
    assert is_out_of_memory(error)


def test_a_real_allocation_that_is_too_large() -> None:
    _, fault = attempt(torch.empty, 10**16)
    assert fault is not None


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("out of memory")])
def test_other_errors_pass(error: Exception) -> None:
    def work() -> None:
        raise error

    assert not is_out_of_memory(error)
    for context in (attempt, _under_memory_faults):
        with pytest.raises(type(error)) as caught:
            context(work)
        assert caught.value is error


def _under_memory_faults(work: Any) -> None:
    with memory_errors():
        work()


def test_what_failed_is_not_kept_alive() -> None:
    class Thing:
        pass

    kept: list[weakref.ref[Thing]] = []

    def work() -> None:
        thing = Thing()
        kept.append(weakref.ref(thing))
        raise torch.OutOfMemoryError(CUDA)

    assert attempt(work) == (None, CUDA)
    assert kept[0]() is None


def test_halves_until_it_fits_and_stays_there(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[dict[str, Any]] = []
    limit = MicrobatchSize(16, "evaluation", heard.append)
    sizes: list[int] = []

    def work(rows: np.ndarray) -> list[int]:
        sizes.append(len(rows))
        if len(rows) > 5:
            raise torch.OutOfMemoryError(CUDA)
        return rows.tolist()

    with caplog.at_level(logging.WARNING):
        found = [row for part in limit.each(np.arange(16), work) for row in part]
        found += [row for part in limit.each(np.arange(6), work) for row in part]
    assert found == [*range(16), *range(6)]
    assert sizes == [16, 8, 4, 4, 4, 4, 4, 2]
    expected = {"doing": "evaluation", "instead_of": 16}
    assert heard == limit.noted == [expected | {"rows": 8}, expected | {"rows": 4}]
    assert len(caplog.messages) == 2
    assert caplog.messages[0] == (
        "out of memory with 16 rows at a time in evaluation: going on with 8; batches count as"
        " before"
    )


def test_an_odd_number_of_rows_shrinks_to_one() -> None:
    limit = MicrobatchSize(7, "training")
    for expected in (4, 2, 1):
        limit.halve(limit.rows, CUDA, step=3)
        assert limit.rows == expected
    assert [len(part) for part in limit.parts(np.arange(3))] == [1, 1, 1]
    assert limit.noted[-1] == {"doing": "training", "rows": 1, "instead_of": 7, "step": 3}


def test_a_single_row_that_does_not_fit_is_the_end() -> None:
    def work(_rows: np.ndarray) -> None:
        raise torch.OutOfMemoryError(CUDA)

    with pytest.raises(UserError) as caught:
        list(MicrobatchSize(2, "training").each(np.arange(2), work))
    line = str(caught.value)
    assert line.startswith("out of memory in training with a single row at a time (CUDA out of mem")
    assert "lower task.max_length" in line
    assert "\n" not in line


def test_models_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(UserError) as caught, memory_errors():
        raise torch.OutOfMemoryError(CUDA)
    assert str(caught.value).startswith("out of memory (CUDA out of memory. Tried to allocate")
    assert "\n" not in str(caught.value)


def test_a_event_log_remembers_what_did_not_fit(tmp_path: Path) -> None:
    with EventLog(tmp_path) as event_log:
        first = logged_limit(16, "training", event_log, [])
        other = logged_limit(64, "evaluation", event_log, [])
        first.halve(16, CUDA, step=3)
        first.halve(8, CUDA, step=5)
        other.halve(64, CUDA)
        events, _ = read_event_log(tmp_path)
        assert [event["event"] for event in events] == ["memory"] * 3
        assert logged_limit(16, "training", event_log, events).rows == 4
        assert logged_limit(64, "evaluation", event_log, events).rows == 32
        assert logged_limit(64, "evaluation", event_log, events).whole == 64
