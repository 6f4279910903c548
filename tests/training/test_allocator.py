from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from alpkd_pipeline.training import allocator
from alpkd_pipeline.training.allocator import freed_memory_kept

pytestmark = pytest.mark.skipif(allocator._glibc() is None, reason="the C library is not glibc")

MEGABYTE = 2**20


def faults_of_a_step() -> int:
    """Page faults of what a training does again and again: ask for memory, fill it, free it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [torch.ones(4 * MEGABYTE, dtype=torch.uint8) for _ in range(10)]
    del parts
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def held_megabytes() -> float:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "RssAnon" in line
    )
    return int(line.split()[1]) / 1024


def test_memory_is_asked_for_once_and_given_back_at_the_end() -> None:
    before = held_megabytes()
    with freed_memory_kept():
        assert faults_of_a_step() > 9_000
        # The heap may still grow by a block or two.
        assert faults_of_a_step() < 3_000
        assert held_megabytes() > before + 35
    assert held_megabytes() < before + 10


def test_it_ends_when_something_went_wrong() -> None:
    def fail() -> None:
        with freed_memory_kept():
            faults_of_a_step()
            raise RuntimeError

    before = held_megabytes()
    with pytest.raises(RuntimeError):
        fail()
    assert held_megabytes() < before + 10


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    with freed_memory_kept():
        assert allocator._glibc() is None
