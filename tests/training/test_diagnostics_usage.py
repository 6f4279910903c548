from __future__ import annotations

import time

import pytest
import torch

from alpkd_pipeline.training.diagnostics import SystemMetrics


def test_a_cpu_has_memory_and_load() -> None:
    sample = SystemMetrics(torch.device("cpu")).sample()
    assert set(sample) == {"memory_mb", "cpu_percent"}
    # torch alone takes more than this; and nobody tests on a machine with a petabyte.
    assert 50 < sample["memory_mb"] < 1e9
    assert sample["cpu_percent"] >= 0


def test_memory_grows_with_what_is_held() -> None:
    usage = SystemMetrics(torch.device("cpu"))
    before = usage.sample()["memory_mb"]
    held = torch.ones(40_000_000 // 4)
    grown = usage.sample()["memory_mb"] - before
    assert 30 < grown < 60
    assert held.sum() > 0


def test_load_is_that_since_the_last_sample() -> None:
    usage = SystemMetrics(torch.device("cpu"))
    before = time.process_time()
    # Ticks of the processor's clock are 10 ms: a shorter piece of work may not be seen at all.
    while time.process_time() - before < 0.1:
        pass
    assert usage.sample()["cpu_percent"] > 0


def test_values_are_short() -> None:
    for value in SystemMetrics(torch.device("cpu")).sample().values():
        assert value == round(value, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_has_memory_of_its_own() -> None:
    device = torch.device("cuda")
    usage = SystemMetrics(device)
    torch.ones(10_000_000, device=device)
    assert usage.sample()["gpu_memory_mb"] >= 40
