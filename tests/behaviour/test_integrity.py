"""`kedro verify` and `kedro prune` on a store that the pipelines made."""

from __future__ import annotations

import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.behaviour.conftest import Demo
from tests.conftest import PROJECT, Kedro
from tests.store.stores import bad, files_of

from alpkd_pipeline.store.verify import verify_store


@pytest.fixture
def store(demo: Demo, tmp_path: Path) -> Path:
    """A copy of the demo's store; other tests may have added to it."""
    copy = tmp_path / "store"
    ours = shutil.ignore_patterns("*.work", "reruns", "09_reruns")
    shutil.copytree(demo.store, copy, ignore=ours)
    return copy


def test_one_changed_byte_in_any_file_of_a_real_store_is_named(store: Path) -> None:
    draw = random.Random(1)
    assert verify_store(store).is_sound
    shown = [p for p in files_of(store) if "." not in {part[0] for part in p.parts[-3:]}]
    for path in [p for p in shown if not p.is_relative_to(store / "08_reporting/sweeps")]:
        whole = path.read_bytes()
        place = draw.randrange(len(whole))
        changed = whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))])
        path.write_bytes(changed + (whole[place + 1 :] if draw.random() < 0.5 else b""))
        found = bad(verify_store(store, [path.parent]))
        assert path in [store / f.folder / f.file for f in found], f"{path} at {place}"
        path.write_bytes(whole)


def test_after_a_prune_finished_experiments_are_finished_and_the_store_is_sound(
    store: Path, kedro: Kedro
) -> None:
    signals = store / "05_model_input" / "signals"
    where = f"run.store={store},run.tracking=off"
    experiment = f"--params={where},student.layers=2"
    done = kedro("prune", "--signals", "--yes", f"--params={where}")
    assert done.returncode == 0, done.stderr
    assert not list(signals.glob("*/[!.]*"))
    again = kedro("run", "--pipeline=distill", experiment)
    assert again.returncode == 0, again.stderr
    assert "making" not in again.stdout + again.stderr
    assert not list(signals.glob("*/[!.]*"))
    verified = kedro("verify", experiment)
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.splitlines()[-1].startswith("sound: ")


# One model under two names, and results under names of people's own -----------------------------


@pytest.mark.slow
def test_a_second_folder_of_one_model_makes_nothing_again(tmp_path: Path, kedro: Kedro) -> None:
    """Two processes at once, with two copies of a model: each result is made by one of them."""
    store, models = tmp_path / "store", [tmp_path / name for name in ("one", "two")]
    commands = []
    for model in models:
        shutil.copytree(PROJECT / "src/alpkd_pipeline/models/demo_checkpoint", model)
        given = f"run.store={store},run.tracking=off,task.train_rows=100,teacher.model={model}"
        quick = "teacher.training.epochs=1,training.epochs=1,student.layers=2"
        commands.append(("--pipeline=distill", f"--params={given},{quick}"))
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda command: kedro("run", *command), commands))
    said = [process.stdout + process.stderr for process in done]
    assert [process.returncode for process in done] == [0, 0], said
    for name in ("splits", "encoded", "teacher", "signals", "student", "student_scores"):
        assert sum(f"making {name}\n" in text for text in said) == 1, name
    counts = {kind: count["folders"] for kind, count in verify_store(store).counts.items()}
    assert (counts["encoded"], counts["teacher"], counts["signals"]) == (1, 1, 1)

    models[0].rename(tmp_path / "three")
    again = kedro(
        "run", *(part.replace(str(models[0]), str(tmp_path / "three")) for part in commands[0])
    )
    assert again.returncode == 0, again.stderr
    assert "making" not in again.stdout + again.stderr
    verified = kedro("verify", commands[1][1])
    assert verified.returncode == 0, verified.stdout
    assert verify_store(store).findings == []


@pytest.mark.slow
def test_renamed_and_copied_results_are_used_as_they_are(store: Path, kedro: Kedro) -> None:
    experiment = f"--params=run.store={store},run.tracking=off,student.layers=2"
    for number, folder in enumerate(sorted(store.glob("0[2567]_*/*/demo/[!.]*"))):
        folder.rename(folder.with_name(f"result {number}"))
        shutil.copytree(folder.with_name(f"result {number}"), folder.with_name(f"z{number}"))
    for _ in range(2):
        done = kedro("run", "--pipeline=distill", experiment)
        assert done.returncode == 0, done.stderr
        assert "making" not in done.stdout + done.stderr
        assert "student: " in done.stdout
    compared = kedro("run", "--pipeline=compare", experiment)
    assert compared.returncode == 0, compared.stderr
    assert "left out" not in compared.stdout + compared.stderr
    verified = kedro("verify", experiment)
    assert verified.returncode == 0, verified.stdout
    assert "copied: 06_models/students/demo/z" in verified.stdout
    forced = kedro("run", "--pipeline=distill", experiment, "--force=distill")
    assert forced.returncode == 0, forced.stderr
    names = {path.name for path in store.glob("06_models/students/demo/[!.]*")}
    assert all(name.startswith(("result ", "z")) for name in names), names
