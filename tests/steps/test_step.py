"""A step locks, uses what is there, verifies what it reads, publishes only what is whole."""

from __future__ import annotations

import errno
import fcntl
import inspect
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.steps.chain import World

from alpkd_pipeline.errors import DiskFullError, UserError
from alpkd_pipeline.steps.step import make, step
from alpkd_pipeline.store.artifact import Artifact, ResolvedExperiment
from alpkd_pipeline.store.checkpoints import CHECKPOINTS, publish_step
from alpkd_pipeline.store.manifest import is_complete, publish, read_json, write_json

OFF = {"run": {"tracking": "off", "experiment": "e"}, "seed": 3}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def experiment(
    root: Path, *artifacts: Artifact, params: Mapping[str, Any] = OFF
) -> ResolvedExperiment:
    return ResolvedExperiment({each.name: each for each in artifacts}, params, root, root)


def artifact(root: Path, name: str = "data", **more: Any) -> Artifact:
    return Artifact(name, "ab" * 32, root / f"{name}-abababab", **more)


def write(folder: Path, **_inputs: object) -> None:
    (folder / "made").write_text("1")


def made(root: Path, build: Callable[..., None] = write, **more: Any) -> Artifact:
    one = artifact(root, **more)
    return make(experiment(root, one), one, build, {})


def test_it_publishes_under_the_key_and_says_what_it_was_made_from(tmp_path: Path) -> None:
    one = made(tmp_path, made_from={"splits": "s"}, run={"stage": "data"})
    assert one.path == tmp_path / "data-abababab"
    manifest = read_json(one.path / "manifest.json")
    assert manifest["key"] == "ab" * 32
    assert manifest["stage"] == "data"
    assert manifest["made_from"] == {"splits": "s"}
    assert "order" not in manifest
    assert sorted(p.name for p in tmp_path.iterdir()) == [".locks", "data-abababab"]


def test_run_json_says_which_code_and_libraries_were_at_work(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("x==1\n")
    one = made(tmp_path, run={"stage": "data", "name": "d"})
    written = read_json(one.path / "run.json")
    said = {"git_commit", "git_dirty", "lock", "python", "libraries", "instructions"}
    assert said == set(written["provenance"])
    assert len(written["provenance"]["lock"]) == 64
    assert (written["stage"], written["name"]) == ("data", "d")


def test_what_lacks_a_file_that_its_type_demands_is_not_published(tmp_path: Path) -> None:
    one = artifact(tmp_path, "student_scores")
    with pytest.raises(UserError, match=r"student_scores-abababab\.work lacks scores\.json, so it"):
        make(experiment(tmp_path, one), one, write, {})
    assert not one.is_made
    assert not one.expected.exists()


def test_what_is_not_wanted_is_left_alone(tmp_path: Path) -> None:
    one = made(tmp_path, wanted=False)
    assert not one.is_made
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_used_is_left_alone(tmp_path: Path) -> None:
    assert made(tmp_path, used=False).is_made
    assert list(tmp_path.iterdir()) == []


def test_inputs_are_compared_with_their_manifests_and_named_in_run_json(world: World) -> None:
    world.run()
    found = read_json(world.root / "small" / "run.json")
    assert found["inputs"] == {"data": "../data", "large": "../large"}
    (world.root / "large" / "made").write_text("7")
    world.drop("small")
    world.drop("scores")
    with pytest.raises(UserError, match=r"large/made is damaged"):
        world.run()
    assert not (world.root / "small.work").exists()


def test_an_input_that_is_not_there_is_one_line(world: World) -> None:
    world.run()
    world.drop("large")
    world.drop("small")
    with pytest.raises(UserError, match=r"large has no manifest\.json: it was never finished"):
        world.run(pipeline=world.pipeline.only_nodes("small"))


def test_an_input_that_is_not_used_is_not_looked_for(tmp_path: Path) -> None:
    unused = artifact(tmp_path, "signals", used=False)
    one = artifact(tmp_path)
    given: dict[str, object] = {}

    def look(folder: Path, **inputs: object) -> None:
        given.update(inputs)
        write(folder)

    make(experiment(tmp_path, one), one, look, {"signals": unused, "seed": 3, "model": None})
    assert given == {"signals": unused, "seed": 3, "model": None}
    assert read_json(one.path / "run.json")["inputs"] == {}


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
        publish(work, world.root / "scores", world.artifact("scores").facts)
        lock.close()

    timer = threading.Timer(0.3, other_process)
    timer.start()
    with caplog.at_level(logging.INFO):
        assert world.run() == []
    assert "waiting: another process is making scores" in caplog.text
    assert (world.root / "scores" / "made").read_text() == "elsewhere"


def test_threads_make_one_result_and_one_thing_at_a_time(tmp_path: Path) -> None:
    at_work, most, count = [0], [0], [0]

    def build(folder: Path, **_: object) -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        count[0] += 1
        threading.Event().wait(0.05)
        at_work[0] -= 1
        write(folder)

    several = [artifact(tmp_path, f"n{n}") for n in range(3)]
    several = [replace(each, key=f"{n}" * 64) for n, each in enumerate(several)]
    threads = [
        threading.Thread(target=make, args=(experiment(tmp_path, *several), one, build, {}))
        for one in several * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count, most) == ([3], [1])
    assert all(one.is_made for one in several)


def test_a_full_disk_names_the_folder_that_was_being_made(tmp_path: Path) -> None:
    def full(folder: Path, **_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFullError) as caught:
        made(tmp_path, full)
    place = tmp_path / "data-abababab"
    assert str(caught.value).startswith(f"{place} could not be written: No space left")


def test_another_result_that_was_given_its_name_is_never_overwritten(tmp_path: Path) -> None:
    other = replace(artifact(tmp_path), key="cd" * 32)
    make(experiment(tmp_path, other), other, write, {})
    one = made(tmp_path, lambda folder, **_: (folder / "made").write_text("2"))
    assert one.path == tmp_path / "data-2-abababab"
    assert (other.expected / "made").read_text() == "1"
    assert one.is_made
    assert other.is_made


def test_a_stray_file_under_its_name_steps_aside_and_stays(tmp_path: Path) -> None:
    (tmp_path / "data-abababab").write_text("notes")
    assert made(tmp_path).is_made
    (aside,) = (path for path in tmp_path.iterdir() if path.name.endswith(".old"))
    assert aside.read_text() == "notes"


def test_what_is_made_by_order_takes_the_place_of_the_renamed_one(tmp_path: Path) -> None:
    made(tmp_path).path.rename(tmp_path / "best")
    again = made(tmp_path, lambda folder, **_: (folder / "made").write_text("new"), order=4.5)
    assert again.path == tmp_path / "best"
    assert (tmp_path / "best" / "made").read_text() == "new"
    assert read_json(tmp_path / "best" / "manifest.json")["order"] == 4.5
    assert is_complete(tmp_path / "best", "ab" * 32)


# Node functions --------------------------------------------------------------------------------


@step("data", seed="seed")
def with_seed(folder: Path, seed: int) -> None:
    """What it does."""
    (folder / "made").write_text(str(seed))


def test_a_step_is_a_plain_function_with_the_signature_of_a_node() -> None:
    assert inspect.isfunction(with_seed)
    assert list(inspect.signature(with_seed, follow_wrapped=False).parameters) == [
        "experiment",
        "seed",
    ]
    assert (with_seed.__name__, with_seed.__doc__) == ("with_seed", "What it does.")


def test_a_parameter_that_was_changed_in_the_catalog_is_refused(tmp_path: Path) -> None:
    one = artifact(tmp_path)
    with pytest.raises(UserError, match="params:seed was changed in the catalog after the keys"):
        with_seed(experiment(tmp_path, one), seed=4)
    assert not one.is_made
    assert with_seed(experiment(tmp_path, one), seed=3).is_made
    assert (one.path / "made").read_text() == "3"


# Trainings that were interrupted ---------------------------------------------------------------


def interrupted(folder: Path, key: str) -> Path:
    """A training that was interrupted after its first checkpoint."""
    write_json(folder / "run.json", {"stage": "student", "identity": {"key": key}})
    publish_step(folder / CHECKPOINTS, 1, lambda at: (at / "weights").write_text("w"))
    return folder


@pytest.mark.parametrize("name", ["data-abababab.work", "c-abababab.work"])
def test_a_training_goes_on_where_it_began(tmp_path: Path, name: str) -> None:
    """Under another name of its model too."""
    one = artifact(tmp_path, run={"stage": "student", "identity": {"key": "ab" * 32}})
    interrupted(tmp_path / "b-abababab.work", "ac" * 32)
    begun = interrupted(tmp_path / name, "ab" * 32)
    seen: list[Path] = []

    def build(folder: Path, **_: object) -> None:
        assert (folder / CHECKPOINTS).is_dir()
        seen.append(folder)
        write(folder)

    make(experiment(tmp_path, one), one, build, {})
    assert seen == [begun]
    assert one.path == tmp_path / "data-abababab"
    assert not (one.path / CHECKPOINTS).exists()


def test_what_another_training_left_is_removed(tmp_path: Path) -> None:
    one = artifact(tmp_path, run={"stage": "student", "identity": {"key": "ab" * 32}})
    interrupted(tmp_path / "data-abababab.work", "ac" * 32)

    def build(folder: Path, **_: object) -> None:
        assert not (folder / CHECKPOINTS).exists()
        write(folder)

    make(experiment(tmp_path, one), one, build, {})
    assert one.is_made


LABELLED = """
import sys, time
from pathlib import Path
from alpkd_pipeline.store.artifact import Artifact, ResolvedExperiment
from alpkd_pipeline.steps.step import make

root, label = Path(sys.argv[1]), sys.argv[2]
def build(folder):
    with (root / "made").open("a") as file:
        file.write(label)
    (folder / "rows").write_text("1")
    time.sleep(0.2)
data = Artifact("data", "ab" * 32, root / "place" / f"{label}-abababab")
params = {"run": {"tracking": "off", "experiment": "e"}}
print("ready", flush=True)
input()
print(make(ResolvedExperiment({"data": data}, params, root, root), data, build, {}).path.name)
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
