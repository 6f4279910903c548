"""What people read when a disk is full, with real disks that are."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file
from tests.disks import fill, largest_file, small_disk

from alpkd_pipeline.errors import DiskFullError, UserError
from alpkd_pipeline.store.checkpoints import publish_step, says_where_it_goes_on, steps_of
from alpkd_pipeline.store.manifest import room_for, seal, write_json
from alpkd_pipeline.store.run_folder import verify


def tensors(folder: Path) -> None:
    save_file({"a": torch.zeros(600_000)}, folder / "state.safetensors")


def arrow(folder: Path) -> None:
    batch = pa.record_batch({"a": np.zeros(600_000)})
    with (
        pa.OSFile(str(folder / "train.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, batch.schema) as writer,
    ):
        writer.write_batch(batch)


def parquet(folder: Path) -> None:
    draw = np.random.default_rng(0)
    pd.DataFrame({"a": draw.random(600_000)}).to_parquet(folder / "train.parquet")


def csv(folder: Path) -> None:
    pd.DataFrame({"a": np.arange(600_000)}).to_csv(folder / "dev.csv")


def text(folder: Path) -> None:
    write_json(folder / "metrics.json", "x" * 2_000_000)


WRITERS = [tensors, arrow, parquet, csv, text]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_one_line_whoever_writes(tmp_path: Path, write) -> None:
    with (
        small_disk(tmp_path / "small", 1) as disk,
        pytest.raises(DiskFullError) as caught,
        room_for(disk / "result"),
    ):
        write(disk)
    line = str(caught.value)
    assert line.startswith(str(disk))
    assert "No space left on device" in line
    assert "MB free there); free space and run the same command again" in line
    assert "\n" not in line


@pytest.mark.parametrize("write", WRITERS)
def test_so_is_a_limit_of_file_sizes(tmp_path: Path, write) -> None:
    too_large = pytest.raises(DiskFullError, match="File too large")
    with too_large, largest_file(100_000), room_for(tmp_path):
        write(tmp_path)


def test_a_quota_is_a_full_disk_too(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="uota"), room_for(tmp_path):
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    for error in (PermissionError(errno.EACCES, "no"), ValueError("28"), KeyError("errno")):
        with pytest.raises(type(error)) as caught, room_for(tmp_path):
            raise error
        assert caught.value is error


def test_the_innermost_context_tells(tmp_path: Path) -> None:
    outer, inner = room_for(tmp_path / "stage"), room_for(tmp_path / "event_log")
    with pytest.raises(DiskFullError) as caught, outer, inner:
        raise OSError(errno.ENOSPC, "x")
    assert str(caught.value).startswith(f"{tmp_path / 'event_log'} could not be written")


def test_a_file_that_the_system_names_is_told(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"/deep/file could not"), room_for(tmp_path):
        raise OSError(errno.ENOSPC, "x", "/deep/file")


def test_a_checkpoint_that_finds_no_room_leaves_those_before_alone(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 6) as disk:
        place = disk / ".checkpoints"
        publish_step(place, 1, tensors)
        filler = fill(disk, leave=300_000)
        with pytest.raises(DiskFullError, match="step-00000002"):
            publish_step(place, 2, tensors)
        assert [path.name for path in place.iterdir()] == ["step-00000001"]
        verify(place / "step-00000001")
        # Also one of the same step, as a training that went back to an older one writes it.
        with pytest.raises(DiskFullError):
            publish_step(place, 1, tensors)
        verify(place / "step-00000001")
        filler.unlink()
        publish_step(place, 2, tensors)
        assert steps_of(place) == [1, 2]


def test_a_small_file_that_finds_no_room_leaves_the_old_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as disk:
        write_json(disk / "a.json", [1])
        fill(disk, leave=8192)
        with pytest.raises(OSError, match=r"a\.json"):
            write_json(disk / "a.json", "x" * 20_000)
        assert (disk / "a.json").read_text() == "[\n  1\n]\n"
        assert {path.name for path in disk.iterdir()} == {"a.json", "filler"}


def test_a_training_says_where_it_goes_on(tmp_path: Path) -> None:
    def fails() -> str:
        with pytest.raises(DiskFullError) as caught, says_where_it_goes_on(tmp_path):
            raise DiskFullError("no room; free space")
        return str(caught.value)

    assert fails() == "no room; free space; the training begins again"
    for step in (4, 12):
        folder = tmp_path / ".checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        seal(folder, {})
    assert fails() == "no room; free space; it goes on after step 12"


def test_it_is_the_users_to_put_right() -> None:
    assert issubclass(DiskFullError, UserError)
