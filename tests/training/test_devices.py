from __future__ import annotations

import os
import platform
from importlib.metadata import version

import pytest
import torch

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.training.devices import (
    LIBRARIES,
    Hardware,
    accelerator_for,
    environment,
    resolve_hardware,
)

CUDA = torch.cuda.is_available()
CPU = Hardware("cpu", "a processor", "fp32", 1)


def processors() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def test_what_is_asked_for_is_taken() -> None:
    found = resolve_hardware("cpu", "bf16", 3)
    assert (found.device, found.precision, found.threads) == ("cpu", "bf16", 3)
    assert found.device_name


@pytest.mark.skipif(CUDA or torch.backends.mps.is_available(), reason="this machine has a GPU")
def test_auto_without_a_gpu_is_the_cpu() -> None:
    assert resolve_hardware("auto", "fp32", 1).device == "cpu"


@pytest.mark.skipif(not CUDA, reason="needs a GPU")
def test_auto_with_a_gpu_is_the_gpu() -> None:
    found = resolve_hardware("auto", "auto", 1)
    assert found.device == "cuda"
    assert found.device_name == torch.cuda.get_device_name()
    assert found.precision == ("bf16" if torch.cuda.is_bf16_supported() else "fp32")


@pytest.mark.parametrize("device", ["cuda:99", "cuda", "mps"])
def test_a_device_that_is_not_there(device: str) -> None:
    if (device == "cuda" and CUDA) or (device == "mps" and torch.backends.mps.is_available()):
        pytest.skip(f"this machine has {device}")
    with pytest.raises(UserError) as caught:
        resolve_hardware(device, "auto", 1)
    line = str(caught.value)
    assert f"parameter 'training.device' = '{device}'" in line
    assert "use auto or cpu" in line
    assert "\n" not in line


def test_auto_precision_is_one_of_the_two() -> None:
    assert resolve_hardware("cpu", "auto", 1).precision in {"fp32", "bf16"}


def test_auto_threads_are_half_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert resolve_hardware("cpu", "fp32", "auto").threads == max(1, processors() // 2)


@pytest.mark.parametrize(("limit", "threads"), [("1", 1), ("4", 4), ("64", 8), ("", 8), ("0", 8)])
def test_the_usual_limit_on_threads_is_kept(
    monkeypatch: pytest.MonkeyPatch, limit: str, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(16)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert resolve_hardware("cpu", "fp32", "auto").threads == threads
    assert resolve_hardware("cpu", "fp32", 3).threads == 3


def test_one_processor_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert resolve_hardware("cpu", "fp32", "auto").threads == 1


def test_threads_hold_while_the_accelerator_is_open() -> None:
    before = torch.get_num_threads()
    with accelerator_for(Hardware("cpu", "", "fp32", before + 1)):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_threads_come_back_after_a_failure() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), accelerator_for(Hardware("cpu", "", "fp32", before + 1)):
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_experiments_of_one_process_may_have_different_precisions() -> None:
    found = []
    for precision in ("fp32", "bf16", "fp32"):
        with accelerator_for(Hardware("cpu", "", precision, 1)) as accelerator:
            found.append(accelerator.hardware.precision)
            layer = torch.nn.Linear(2, 2)
            with accelerator.autocast():
                found.append(layer(torch.ones(1, 2)).dtype)
    plain, half = ["fp32", torch.float32], ["bf16", torch.bfloat16]
    assert found == [*plain, *half, *plain]


def test_the_cpu_is_used_even_where_there_is_a_gpu() -> None:
    with accelerator_for(CPU) as accelerator:
        assert accelerator.device.type == "cpu"


def test_a_run_records_where_it_was_made() -> None:
    found = environment(CPU)
    assert (found["device"], found["device_name"]) == ("cpu", "a processor")
    assert (found["precision"], found["threads"]) == ("fp32", 1)
    assert found["python"] == platform.python_version()
    assert set(found["libraries"]) == set(LIBRARIES)
    assert found["libraries"]["transformers"] == version("transformers")
    assert found["platform"]


def test_a_library_that_is_not_installed_is_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from alpkd_pipeline.training import devices

    monkeypatch.setattr(devices, "LIBRARIES", ("torch", "no-such-library"))
    assert environment(CPU)["libraries"]["no-such-library"] == "missing"
