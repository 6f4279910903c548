from __future__ import annotations

import time

import numpy as np
import pytest
from tests.training.toys import random_rows

from alpkd_pipeline.training.batching import collate
from alpkd_pipeline.training.diagnostics import Throughput, waiting


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def test_examples_tokens_padding_and_waiting(clock: list[float]) -> None:
    rows = random_rows(3, lengths=(4, 7, 3))
    throughput, other = Throughput(), Throughput()
    with waiting(throughput, other):
        clock[0] += 0.5
    throughput.add(collate(rows, np.arange(3), pad_id=0))  # 14 tokens in 21 places
    throughput.add(collate(rows, np.array([1]), pad_id=0))  # 7 in 7
    clock[0] += 1.5
    assert throughput.speed() == {"examples_per_second": 2.0, "data_percent": 25.0}
    assert throughput.of_epoch() == {
        "seconds": 2.0,
        "examples_per_second": 2.0,
        "data_percent": 25.0,
        "tokens_per_second": 10.5,
        "padding_percent": 25.0,
    }
    assert other.speed() == {"examples_per_second": 0.0, "data_percent": 25.0}


def test_an_evaluation_is_no_training(clock: list[float]) -> None:
    throughput = Throughput()
    clock[0] += 5.0
    throughput.skip(3.0)
    assert throughput.seconds == 2.0
