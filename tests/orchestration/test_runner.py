from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from tests.disks import small_disk

from alpkd_pipeline.datasets.folder import FolderDataset
from alpkd_pipeline.errors import DiskFullError, UserError
from alpkd_pipeline.orchestration.runner import StageRunner, needed, parse_force
from alpkd_pipeline.runs.manifest import is_complete


class World:
    """A chain data -> teacher -> student -> scores of folders, and a late comparison."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: list[str] = []
        names = ("data", "teacher", "student", "scores", "table")
        folders = {
            name: FolderDataset(filepath=str(root / name), facts={"key": name, "stage": name})
            for name in names
        }
        self.catalog = DataCatalog({**folders, "raw": MemoryDataset("raw")})
        self.pipeline = Pipeline(
            [
                self.node("data", ["raw"], "stage.data_prep"),
                self.node("teacher", ["data"], "stage.finetune_teacher"),
                self.node("student", ["data", "teacher"], "stage.distill"),
                self.node("scores", ["student"], "stage.distill"),
                self.node("table", ["scores"], "stage.compare"),
            ]
        )

    def node(self, name: str, inputs: list[str], tag: str):
        def make(*_inputs: object) -> Path:
            self.made.append(name)
            work = self.root / f"{name}.work"
            work.mkdir(parents=True)
            (work / "made").write_text(str(len(self.made)))
            return work

        return node(make, inputs, name, name=name, tags=tag)

    def run(self, force: str = "") -> list[str]:
        self.made.clear()
        StageRunner(force=force).run(self.pipeline, self.catalog)
        return list(self.made)

    def drop(self, name: str) -> None:
        (self.root / name / "manifest.json").unlink()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


EVERYTHING = ["data", "teacher", "student", "scores", "table"]


def test_everything_once_and_then_nothing(world: World) -> None:
    assert world.run() == EVERYTHING
    assert world.run() == []
    assert all(is_complete(world.root / name, name) for name in EVERYTHING)


def test_what_nobody_needs_is_not_made_again(world: World) -> None:
    world.run()
    world.drop("teacher")
    world.drop("data")
    assert world.run() == []


def test_what_a_missing_result_needs_is_made_again(world: World) -> None:
    world.run()
    world.drop("teacher")
    world.drop("scores")
    assert world.run() == ["scores"]
    world.drop("student")
    world.drop("scores")
    assert world.run() == ["teacher", "student", "scores"]


def test_a_folder_without_its_file_is_made_again(world: World) -> None:
    world.run()
    (world.root / "scores" / "made").unlink()
    assert world.run() == ["scores"]


def test_force_makes_a_stage_and_what_follows(world: World) -> None:
    world.run()
    assert world.run(force="finetune_teacher") == ["teacher", "student", "scores", "table"]
    assert world.run(force="compare") == ["table"]
    assert world.run(force="distill") == ["student", "scores", "table"]
    assert world.run(force="all") == EVERYTHING
    assert world.run() == []


def test_the_old_result_stays_until_the_new_one_is_there(world: World) -> None:
    world.run()

    def fail(*_inputs: object) -> Path:
        assert is_complete(world.root / "student", "student")
        raise RuntimeError("no power")

    broken = node(fail, ["data", "teacher"], "student", name="student", tags="stage.distill")
    others = [n for n in world.pipeline.nodes if n.name != "student"]
    world.pipeline = Pipeline([*others, broken])
    with pytest.raises(RuntimeError, match="no power"):
        world.run(force="distill")
    assert is_complete(world.root / "student", "student")


def test_needed_of_an_empty_store_is_the_whole_pipeline(world: World) -> None:
    assert [n.name for n in needed(world.pipeline, world.catalog).nodes] == EVERYTHING


def test_a_second_process_waits_and_then_finds_the_result(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.run()
    world.drop("scores")
    # Locked below filelock, which would see that it is this very thread.
    lock = (world.root / ".locks" / "scores.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def other_process() -> None:
        work = world.root / "other"
        work.mkdir()
        (work / "made").write_text("elsewhere")
        world.catalog["scores"].save(work)
        lock.close()

    timer = threading.Timer(0.3, other_process)
    timer.start()
    with caplog.at_level(logging.INFO):
        assert world.run() == []
    assert "waiting: another process is making scores" in caplog.text
    assert (world.root / "scores" / "made").read_text() == "elsewhere"


@pytest.mark.parametrize("text", ["student", "distill+teachers", "ALL"])
def test_an_unknown_stage_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match=r"--force .*unknown stage; use data_prep"):
        StageRunner(force=text)


def test_force_takes_plus_and_comma() -> None:
    assert parse_force("signals+distill") == ("signals", "distill")
    assert parse_force("") == ()


def test_a_full_disk_names_the_folder_that_was_being_made(tmp_path: Path) -> None:
    def full(_raw: object) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    data = FolderDataset(filepath=str(tmp_path / "data"), facts={"key": "data", "stage": "data"})
    catalog = DataCatalog({"data": data, "raw": MemoryDataset("raw")})
    with pytest.raises(DiskFullError) as caught:
        StageRunner().run(Pipeline([node(full, ["raw"], "data")]), catalog)
    assert str(caught.value).startswith(f"{tmp_path / 'data'} could not be written: No space left")


LABELLED = """
import sys, time
from pathlib import Path
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from tests.disks import small_disk
from alpkd_pipeline.datasets.folder import FolderDataset
from alpkd_pipeline.orchestration.runner import StageRunner

root, label = Path(sys.argv[1]), sys.argv[2]
def make(_raw):
    with (root / "made").open("a") as file:
        file.write(label)
    work = root / "place" / f"{label}-abababab.work"
    work.mkdir(parents=True)
    (work / "rows").write_text("1")
    time.sleep(0.2)
    return work
data = FolderDataset(filepath=str(root / "place" / f"{label}-abababab"), facts={"key": "ab" * 32})
catalog = DataCatalog({"data": data, "raw": MemoryDataset("raw")})
print("ready", flush=True)
input()
StageRunner().run(Pipeline([node(make, ["raw"], "data")]), catalog)
print(data.load().name)
"""


def test_two_processes_with_two_names_of_one_model_make_one_result(tmp_path: Path) -> None:
    """As when one folder of a model is a copy of the other: labels differ, keys do not."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LABELLED, str(tmp_path), label],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for label in "xy"
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    names = [process.communicate(timeout=60)[0].strip() for process in processes]
    made = (tmp_path / "made").read_text()
    assert names == [f"{made}-abababab"] * 2
    assert {path.name for path in (tmp_path / "place").iterdir()} == {".locks", names[0]}


def test_force_makes_a_renamed_result_again_in_its_place(world: World) -> None:
    world.run()
    (world.root / "student").rename(world.root / "best")
    assert world.run() == []
    assert world.run(force="distill") == ["student", "scores", "table"]
    assert is_complete(world.root / "best", "student")
    assert not (world.root / "student").exists()


def test_results_of_a_store_that_cannot_be_written_are_used(tmp_path: Path) -> None:
    """Under another name too; nobody needs a lock for what is there."""
    with small_disk(tmp_path / "disk", 4) as disk:
        world = World(disk)
        world.run()
        (disk / "student").rename(disk / "best of all")
        before = sorted(disk.rglob("*"))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert world.run() == []
        assert world.catalog.load("student") == disk / "best of all"
        assert sorted(disk.rglob("*")) == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def test_a_result_behind_a_link_is_used(world: World, tmp_path: Path) -> None:
    world.run()
    (tmp_path / "student").rename(tmp_path / "large")
    (tmp_path / "data").rename(tmp_path / "other disk")
    (tmp_path / "student").symlink_to(tmp_path / "large")
    (tmp_path / "mine").symlink_to(tmp_path / "other disk")
    assert world.run() == []
    world.drop("scores")
    assert world.run() == ["scores"]
