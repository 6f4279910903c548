from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.experiments import engines
from alpkd_pipeline.experiments.engines import default_workers, gpus_for, visible_gpus


@pytest.mark.parametrize(
    ("given", "found"),
    [("", []), ("-1", []), ("1, 3", ["1", "3"]), ("GPU-ab,GPU-cd", ["GPU-ab", "GPU-cd"])],
)
def test_the_user_s_choice_of_gpus_stands(
    given: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_gpus() == found


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo 'GPU 0: H100 (UUID: a)'; echo 'GPU 1: H100 (UUID: b)'", ["0", "1"]),
        ("echo 'No devices were found'; exit 6", []),
    ],
)
def test_gpus_are_those_that_the_driver_lists(
    script: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert visible_gpus() == found


def test_no_driver_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        (["auto"], ["0", "1"]),
        (["auto", "cpu"], ["0", "1"]),
        (["cpu"], []),
        (["auto", "cuda:1"], []),  # a number means something else once GPUs are hidden
        ([], []),
    ],
)
def test_gpus_are_shared_where_the_experiments_leave_the_choice(
    devices: list[str], found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert gpus_for(devices) == found


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "threads", "workers"),
    [
        (["0", "1"], 1, [4], 2),
        (["0", "1"], 3, [4], 6),
        ([], 3, [1], 8),
        ([], 1, [1, 4], 2),
        ([], 1, ["auto"], 2),
        ([], 1, [99], 1),
    ],
)
def test_workers_are_as_many_as_fit(
    gpus: list[str],
    per_gpu: int,
    threads: list[int | str],
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "processors", lambda: 8)
    assert default_workers(gpus, per_gpu, threads) == workers


def test_there_is_a_processor() -> None:
    assert engines.processors() >= 1
