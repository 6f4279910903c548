from __future__ import annotations

import subprocess
import sys

import pytest

from alpkd_pipeline.training import devices
from alpkd_pipeline.training.devices import freed_memory_reserved

pytestmark = pytest.mark.skipif(devices._glibc() is None, reason="the C library is not glibc")

STEPS = """
import resource
from pathlib import Path
import torch
from alpkd_pipeline.training.devices import freed_memory_reserved

def faults_of_a_step():
    # What a training does again and again: ask for 40 MB of memory, fill it, free it.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [torch.ones(4 * 2**20, dtype=torch.uint8) for _ in range(10)]
    del parts
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held_megabytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if "RssAnon" in line).split()[1]) / 1024

def said(*values):
    print(*map(round, values))

before = held_megabytes()
faults_of_a_step()
outside = faults_of_a_step()
try:
    with freed_memory_reserved():
        # Where the parts come to lie is settled after a few steps.
        inside, held = min(faults_of_a_step() for _ in range(4)), held_megabytes()
        raise RuntimeError
except RuntimeError:
    said(outside, inside, held - before, held_megabytes() - before)
"""


def test_memory_is_asked_for_once_and_given_back_at_the_end_even_of_an_error() -> None:
    # In a process of its own: what others have freed before would be counted too.
    command = [sys.executable, "-c", STEPS]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    outside, inside, held, left = map(int, said.split())
    assert outside > 5_000
    assert inside < outside / 10
    assert held > 30
    assert left < 10


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.sys, "platform", "darwin")
    with freed_memory_reserved():
        assert devices._glibc() is None
