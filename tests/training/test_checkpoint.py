"""Trainings that stop at some moment and go on: bitwise as if they had never stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.disks import fill, small_disk
from tests.training.toys import room_for_rows
from torch.optim.optimizer import register_optimizer_step_post_hook

from alpkd_pipeline.errors import DiskFullError
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS, steps_of
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import read_json, sha256_file, write_json
from alpkd_pipeline.training import checkpoint
from alpkd_pipeline.training import run as run_module
from alpkd_pipeline.training.devices import resolve_hardware
from alpkd_pipeline.training.dispatch import run_stage, train_folder
from alpkd_pipeline.training.update import DivergedError

EPOCHS = 3
STEPS = 18
"""96 rows in batches of 16."""


class Killed(BaseException):
    """Comes from nowhere, like a power cut: nothing gets to clean up or save."""


@contextmanager
def killed_after(step: int) -> Iterator[None]:
    """The training dies in its step `step`, after the weights have changed."""
    done = 0

    def hook(*_: Any) -> None:
        nonlocal done
        done += 1
        if done == step:
            raise Killed

    handle = register_optimizer_step_post_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def told(folder: Path) -> list[dict[str, Any]]:
    """The event log without what time and machine put in."""
    timed = ("time", "examples_per_second", "data_percent", "memory_mb", "cpu_percent", "seconds")
    timed += ("tokens_per_second", "name")
    events = read_event_log(folder)[0]
    return [
        {name: value for name, value in event.items() if name not in timed}
        for event in events
        if event["event"] != "resume"
    ]


def result(folder: Path) -> dict[str, Any]:
    """Weights, answers and event log of a finished training."""
    files = ("model.safetensors", "config.json", "predictions/dev.csv")
    metrics = read_json(folder / "metrics.json")
    kept = {k: v for k, v in metrics.items() if "second" not in k}
    return {
        **{name: sha256_file(folder / name) for name in files if (folder / name).exists()},
        "metrics": kept,
        "event_log": told(folder),
    }


@pytest.fixture
def student(begin, encoded, teacher, signals) -> Callable[..., Path]:
    def make(name: str, **changes: Any) -> Path:
        given = {
            "training__epochs": EPOCHS,
            "training__checkpoint_every": 4,
            "training__log_every": 3,
            **changes,
        }
        inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
        if changes.get("method__name") in ("no_kd", "theseus"):
            given |= {"method__lambda": None, "method__eta": None, "method__temperature": None}
            given |= {"method__beta": 1.0}
            inputs.pop("signals")
        return begin(name, "student", inputs, **given)

    return make


_WHOLE: dict[str, dict[str, Any]] = {}


def whole_of(student: Callable[..., Path], **changes: Any) -> dict[str, Any]:
    """What the training comes to without an interruption; trained once for all tests."""
    name = repr(changes)
    if name not in _WHOLE:
        _WHOLE[name] = result(run_stage(student("whole", **changes)))
    return _WHOLE[name]


@pytest.mark.parametrize("step", [1, 3, 4, 5, 6, 7, 12, 17, 18])
def test_it_ends_as_if_it_had_never_stopped(student, step: int) -> None:
    whole = whole_of(student)
    folder = student("cut")
    with killed_after(step), pytest.raises(Killed):
        run_stage(folder)
    assert result(run_stage(folder)) == whole


@pytest.mark.parametrize(
    "changes",
    [
        {"training__accumulation": 4},
        {"training__eval_every": 2, "training__patience": 4},
        {"training__eval_every": 5},
        {"training__selection": "holdout", "training__precision": "bf16"},
        {"training__freeze_embeddings": True},
        {"method__name": "no_kd"},
        {"method__name": "theseus"},
        {"method__name": "theseus", "training__accumulation": 4, "training__precision": "bf16"},
        {"signals__source": "live"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_whatever_is_trained(student, changes: dict[str, Any]) -> None:
    whole = whole_of(student, **changes)
    steps = whole["metrics"]["steps"]
    for step in (2, steps // 2, steps):
        folder = student(f"cut-{step}", **changes)
        with killed_after(step), pytest.raises(Killed):
            run_stage(folder)
        assert result(run_stage(folder)) == whole


def test_dropout_goes_on_as_it_would_have(begin, encoded, teacher, signals, tmp_path) -> None:
    """The demo's encoder has none, and a training without draws says nothing of generators."""
    shutil.copytree(teacher, folder := tmp_path / "with-dropout")
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", config | {"hidden_dropout_prob": 0.1})
    inputs = {"encoded": encoded, "teacher": folder, "signals": signals}
    changes = {"training__checkpoint_every": 4, "training__epochs": 2}
    whole = result(run_stage(begin("whole", "student", inputs, **changes)))
    cut = begin("cut", "student", inputs, **changes)
    with killed_after(7), pytest.raises(Killed):
        run_stage(cut)
    assert result(run_stage(cut)) == whole


def test_a_teacher_goes_on_too(begin, encoded) -> None:
    changes = {"teacher__training__epochs": 2, "teacher__training__checkpoint_every": 2}
    inputs = {"encoded": encoded, "model": DEMO_FOLDER}
    whole = result(run_stage(begin("whole", "teacher", inputs, **changes)))
    folder = begin("cut", "teacher", inputs, **changes)
    with killed_after(9), pytest.raises(Killed):
        run_stage(folder)
    assert steps_of(folder / CHECKPOINTS) == [6, 8]
    assert result(run_stage(folder)) == whole


def test_it_stops_as_often_as_it_likes(student) -> None:
    whole = whole_of(student)
    folder = student("cut")
    for _ in range(4):
        with killed_after(5), pytest.raises(Killed):
            run_stage(folder)
    assert result(run_stage(folder)) == whole
    resumes = [event for event in read_event_log(folder)[0] if event["event"] == "resume"]
    assert [event["after_step"] for event in resumes] == [4, 8, 12, 16]


def test_a_training_that_never_saves_begins_again(student) -> None:
    changes = {"training__checkpoint_every": "never"}
    whole = whole_of(student, **changes)
    folder = student("cut", **changes)
    with killed_after(9), pytest.raises(Killed):
        run_stage(folder)
    assert steps_of(folder / CHECKPOINTS) == []
    assert result(run_stage(folder)) == whole


def test_two_checkpoints_stay_and_the_best_models_they_speak_of(student) -> None:
    folder = student("cut")
    with killed_after(17), pytest.raises(Killed):
        run_stage(folder)
    assert steps_of(folder / CHECKPOINTS) == [12, 16]
    spoken_of = {
        read_json(path)["best_step"] for path in (folder / CHECKPOINTS).glob("*/facts.json")
    }
    assert set(steps_of(folder / BEST)) >= spoken_of
    train_folder(folder)
    assert not (folder / CHECKPOINTS).exists()
    assert not (folder / BEST).exists()


@pytest.mark.parametrize("file", ["state.safetensors", "facts.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_checkpoint_is_passed_over(student, file, damage, caplog) -> None:
    whole = whole_of(student)
    folder = student("cut")
    with killed_after(17), pytest.raises(Killed):
        run_stage(folder)
    spoil(folder / CHECKPOINTS / "step-00000016" / file, damage)
    assert result(run_stage(folder)) == whole
    assert "checkpoint of step 16 is passed over: " in caplog.text
    (event,) = [event for event in read_event_log(folder)[0] if event["event"] == "resume"]
    assert event["after_step"] == 12


def test_with_nothing_whole_left_it_begins_again(student) -> None:
    whole = whole_of(student)
    folder = student("cut")
    with killed_after(17), pytest.raises(Killed):
        run_stage(folder)
    for step in (12, 16):
        spoil(folder / CHECKPOINTS / f"step-{step:08d}" / "state.safetensors", "flip")
    assert result(run_stage(folder)) == whole
    assert not any(event["event"] == "resume" for event in read_event_log(folder)[0])


def test_a_damaged_older_checkpoint_disturbs_no_later_save(student) -> None:
    whole = whole_of(student)
    folder = student("cut")
    with killed_after(13), pytest.raises(Killed):
        run_stage(folder)
    (folder / CHECKPOINTS / "step-00000008" / "facts.json").write_text("{dam")
    assert result(run_stage(folder)) == whole


def test_a_training_without_checkpoints_keeps_one_best_model(student) -> None:
    changes = {"training__checkpoint_every": "never", "training__eval_every": 1}
    folder = student("one", **changes)
    run_stage(folder)
    kept = [event["best"] for event in read_event_log(folder)[0] if event["event"] == "eval"]
    assert sum(kept) > 1
    assert len(steps_of(folder / BEST)) == 1


def test_a_damaged_best_model_is_found_again(student) -> None:
    whole = whole_of(student)
    folder = student("cut")
    with killed_after(17), pytest.raises(Killed):
        run_stage(folder)
    for step in steps_of(folder / BEST):
        spoil(folder / BEST / f"step-{step:08d}" / "model.safetensors", "flip")
    assert result(run_stage(folder)) == whole


@pytest.mark.parametrize("files", [0, 1])
def test_killed_inside_a_save(student, files: int, monkeypatch) -> None:
    whole = whole_of(student)
    folder = student("cut")
    real, saves = checkpoint.write_json, 0

    def dies(path: Path, value: Any) -> None:
        nonlocal saves
        saves += path.name == "facts.json"
        if saves == 3:
            if files == 0:
                (path.parent / "state.safetensors").write_bytes(b"half")
            raise Killed
        real(path, value)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_json", dies)
        with pytest.raises(Killed):
            run_stage(folder)
    assert len(steps_of(folder / CHECKPOINTS)) == 2
    assert result(run_stage(folder)) == whole


# Memory that is too short ------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 8, 9])
def test_a_training_that_shrank_goes_on_as_it_was(student, step: int, caplog) -> None:
    with room_for_rows(9):
        whole = result(run_stage(student("whole")))
        folder = student("cut")
        with killed_after(step), pytest.raises(Killed):
            run_stage(folder)
        caplog.clear()
        assert result(run_stage(folder)) == whole
    told = [event for event in read_event_log(folder)[0] if event["event"] == "memory"]
    assert [(e["doing"], e["rows"], e["instead_of"]) for e in told] == [
        ("training", 8, 16),
        ("evaluation", 16, 32),
        ("evaluation", 8, 32),
    ]
    assert [event["rows"] for event in read_json(folder / "metrics.json")["memory"]] == [8, 16, 8]
    # What the checkpoint says of the training is not found out again.
    assert ("in training" in caplog.text) == (step == 1)


def test_with_more_memory_it_stays_as_small_as_it_began(student) -> None:
    with room_for_rows(9):
        whole = result(run_stage(student("whole")))
        folder = student("cut")
        with killed_after(9), pytest.raises(Killed):
            run_stage(folder)
    assert result(run_stage(folder)) == whole


def test_nothing_is_said_where_the_memory_suffices(student) -> None:
    metrics = whole_of(student)["metrics"]
    assert "memory" not in metrics
    assert "resumed_on" not in metrics


# A disk that is full -----------------------------------------------------------------------------


@pytest.mark.parametrize("leave", [0, 60_000, 400_000], ids=["event log", "best", "checkpoint"])
def test_a_full_disk_loses_nothing(student, tmp_path: Path, leave: int) -> None:
    whole = whole_of(student)
    with small_disk(tmp_path / "small", 24) as disk:
        folder = student("small/cut")
        with killed_after(9), pytest.raises(Killed):
            run_stage(folder)
        filler = fill(disk, leave)
        with pytest.raises(DiskFullError) as caught:
            run_stage(folder)
        line = str(caught.value)
        assert line.startswith(str(folder))
        assert "No space left on device" in line
        assert line.endswith(f"again; it goes on after step {max(steps_of(folder / CHECKPOINTS))}")
        assert max(steps_of(folder / CHECKPOINTS)) >= 8
        names = [path.name for path in folder.rglob("*")]
        assert not [name for name in names if name.startswith(".making") or name.endswith(".tmp")]
        filler.unlink()
        assert result(run_stage(folder)) == whole


# A loss that is not finite -----------------------------------------------------------------------


@contextmanager
def poisoned_after(step: int) -> Iterator[None]:
    """One weight becomes NaN after a step, as by a fault of the memory."""
    done = 0

    def hook(optimiser: Any, *_: Any) -> None:
        nonlocal done
        done += 1
        if done == step:
            optimiser.param_groups[0]["params"][3].data[0, 0] = float("nan")

    handle = register_optimizer_step_post_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def test_a_poisoned_weight_spoils_no_checkpoint(student) -> None:
    whole = whole_of(student)
    folder = student("cut")
    with poisoned_after(9), pytest.raises(DivergedError, match="at step 10 "):
        run_stage(folder)
    assert steps_of(folder / CHECKPOINTS) == [6, 8]
    # It was no fault of the numbers: the same command goes on from finite weights.
    assert result(run_stage(folder)) == whole


def test_a_checkpoint_of_poisoned_weights_is_not_made(student) -> None:
    folder = student("cut")
    with poisoned_after(8), pytest.raises(DivergedError, match="no longer finite after step 8:"):
        run_stage(folder)
    assert steps_of(folder / CHECKPOINTS) == [4, 6]
    assert result(run_stage(folder)) == whole_of(student)


def test_settings_that_diverge_do_so_again_from_the_last_checkpoint(student) -> None:
    folder = student("cut", training__lr=1e30, training__checkpoint_every=1)
    lines = set()
    for _ in range(2):
        with pytest.raises(DivergedError) as caught:
            run_stage(folder)
        lines.add(str(caught.value))
    (line,) = lines
    assert "the same command again comes to the same step" in line


# Another machine ---------------------------------------------------------------------------------


def test_it_goes_on_elsewhere_and_says_so(student, caplog, monkeypatch) -> None:
    folder = student("cut")
    with killed_after(9), pytest.raises(Killed):
        run_stage(folder)
    config = read_json(folder / "run.json")
    here = run_module.environment

    def there(hardware: Any) -> dict[str, Any]:
        found = here(hardware)
        return found | {"threads": 2, "libraries": found["libraries"] | {"torch": "9.9"}}

    monkeypatch.setattr(run_module, "environment", there)
    run_stage(folder)
    torch_here = here(resolve_hardware("cpu", "fp32", 1))["libraries"]["torch"]
    differs = {"threads": [1, 2], "libraries.torch": [torch_here, "9.9"]}
    (event,) = [event for event in read_event_log(folder)[0] if event["event"] == "resume"]
    assert (event["after_step"], event["differs"]) == (8, differs)
    metrics = read_json(folder / "metrics.json")
    assert metrics["resumed_on"] == [{"after_step": 8, "differs": differs}]
    assert "goes on after step 8 with threads 2 instead of 1, libraries.torch 9.9" in caplog.text
    assert read_json(folder / "run.json") == config


def spoil(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(data[:-7])
    else:
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
