"""The comparison is due again exactly when there is something else to compare."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kedro.io import DatasetError
from tests.renames import at_every_look, before_look

from alpkd_pipeline.datasets.comparison import ComparisonDataset, comparison_key
from alpkd_pipeline.errors import UserError, user_error
from alpkd_pipeline.reporting import report
from alpkd_pipeline.runs.finished import DamagedError
from alpkd_pipeline.runs.manifest import read_json, seal, write_json


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.dataset = self.fresh()

    def fresh(self, sweep: str | None = None) -> ComparisonDataset:
        base = self.root / "data" / "08_reporting" / "comparison"
        return ComparisonDataset(filepath=str(base), store=str(self.root / "data"), sweep=sweep)

    def record(self, place: str, name: str, **content: object) -> None:
        record = {"id": name, "started": name, **content}
        write_json(self.root / "data" / "08_reporting" / place / f"{name}.json", record)

    def result(self, name: str, place: str = "07_model_output/scores", text: str = "{}") -> Path:
        folder = self.root / "data" / place / "demo" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "scores.json").write_text(text)
        if not name.endswith(".work"):
            seal(folder, {"key": name})
        return folder

    def compare(self) -> Path:
        work = self.root / "data" / "08_reporting" / "comparison.work"
        work.mkdir(parents=True)
        (work / "comparison.md").write_text("table")
        self.dataset.save(work)
        return self.dataset.load()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_is_not_there_when_what_was_compared_is_damaged(world: World) -> None:
    scores = world.result("kd-s0-11111111", text='{"score": 0.75}')
    world.compare()
    (scores / "scores.json").write_text('{"score": 0.85}')
    with pytest.raises(DatasetError, match=r"scores\.json is damaged: sha256") as error:
        world.dataset.exists()
    assert isinstance(user_error(error.value), DamagedError)


def test_it_is_made_again_when_it_is_damaged_itself(world: World) -> None:
    world.result("kd-s0-11111111")
    folder = world.compare()
    (folder / "comparison.md").write_text("tabel")
    assert not world.dataset.exists()
    world.compare()
    assert world.dataset.exists()
    assert (folder / "comparison.md").read_text() == "table"


def test_it_is_there_once_it_is_written(world: World) -> None:
    world.result("kd-s0-11111111")
    assert not world.dataset.exists()
    folder = world.compare()
    assert world.dataset.exists()
    assert world.fresh().exists()
    assert (folder / "comparison.md").read_text() == "table"
    assert folder.name == world.dataset.key[:8]
    assert read_json(folder / "manifest.json")["key"] == world.dataset.key


@pytest.mark.parametrize(
    "place",
    [
        "05_model_input/signals",
        "06_models/teachers",
        "06_models/students",
        "07_model_output/scores",
        "07_model_output/evaluation",
        "07_model_output/latency",
        "07_model_output/geometry",
    ],
)
def test_a_new_result_of_any_kind_makes_it_due(world: World, place: str) -> None:
    world.result("kd-s0-11111111")
    first = world.compare()
    world.result("kd-s1-22222222", place)
    assert not world.dataset.exists()
    second = world.compare()
    assert second != first
    assert first.is_dir()


def test_a_result_that_is_not_finished_does_not_count(world: World) -> None:
    world.compare()
    world.result("kd-s1-22222222.work")
    assert world.dataset.exists()


def test_a_result_of_another_kind_does_not_count(world: World) -> None:
    world.compare()
    world.result("kd-s1-22222222", "02_intermediate/splits")
    assert world.dataset.exists()


def test_a_result_that_was_made_again_makes_it_due(world: World) -> None:
    world.result("kd-s0-11111111")
    world.compare()
    world.result("kd-s0-11111111")
    assert world.dataset.exists()
    world.result("kd-s0-11111111", text='{"accuracy": 0.5}')
    assert not world.dataset.exists()


def test_a_result_that_is_deleted_gives_the_comparison_without_it(world: World) -> None:
    world.result("kd-s0-11111111")
    first = world.compare()
    gone = world.result("kd-s1-22222222")
    world.compare()
    shutil.rmtree(gone)
    assert world.dataset.exists()
    assert world.dataset.load() == first


def test_force_makes_it_missing_until_it_is_written_again(world: World) -> None:
    world.compare()
    world.dataset.force = True
    assert not world.dataset.exists()
    world.compare()
    assert world.dataset.exists()


def test_a_damaged_table_is_not_there(world: World) -> None:
    folder = world.compare()
    (folder / "comparison.md").unlink()
    assert not world.dataset.exists()


def test_an_empty_store_has_a_key_too(world: World) -> None:
    assert len(world.dataset.key) == 64
    assert world.dataset.key == world.fresh().key
    assert world.dataset._describe()["filepath"].endswith("comparison")


def test_what_sweeps_ask_for_makes_it_due_and_how_far_they_are_does_not(world: World) -> None:
    world.compare()
    cell = {"key": "1" * 64, "state": "todo"}
    world.record("sweeps", "s-1", cells=[cell])
    assert not world.dataset.exists()
    world.compare()
    world.record("sweeps", "s-1", cells=[{**cell, "state": "done"}])
    assert world.dataset.exists()


def test_a_search_makes_it_due(world: World) -> None:
    world.compare()
    world.record("searches", "tune-1", studies=[])
    assert not world.dataset.exists()


def test_each_sweep_has_a_comparison_of_its_own(world: World) -> None:
    for name in ("s-1", "s-2"):
        world.record("sweeps", name, cells=[{"key": name[-1] * 64}])
    keys = {world.fresh(sweep).key for sweep in (None, "s-1", "s-2")}
    assert len(keys) == 3
    assert world.fresh("latest").key == world.fresh("s-2").key
    with pytest.raises(UserError, match="no sweep is called so"):
        world.fresh("s-3").key  # noqa: B018


def test_the_pages_template_is_part_of_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from alpkd_pipeline.datasets import comparison

    copied = tmp_path / "package"
    shutil.copytree(Path(report.__file__).parents[1], copied / "reporting")
    monkeypatch.setattr(comparison, "PACKAGE_ROOT", copied)
    comparison._code.cache_clear()
    before = world.dataset.key
    (copied / "reporting" / "report" / "page.css").write_text("body {}")
    assert world.dataset.key == before  # read once for each process
    comparison._code.cache_clear()
    assert world.dataset.key != before
    comparison._code.cache_clear()


def test_what_comes_in_while_it_is_written_makes_it_due_again(world: World) -> None:
    world.result("kd-s0-11111111")
    key = comparison_key(world.root / "data")
    work = world.root / "data" / "08_reporting" / "comparison.work"
    work.mkdir(parents=True)
    write_json(work / "run.json", {"compared": key})
    world.result("kd-s1-22222222")
    world.dataset.save(work)
    folder = world.dataset.load()
    assert folder.name == key[:8]
    assert folder.is_dir()
    assert not world.dataset.exists()
    assert not world.fresh().exists()


def test_copies_make_nothing_due(world: World) -> None:
    folder = world.result("kd-s0-11111111")
    world.compare()
    shutil.copytree(folder, folder.with_name("my copy"))
    assert world.dataset.exists()
    shutil.copytree(folder, folder.with_name(".kd-s0-11111111.0.old"))
    assert world.dataset.exists()


def test_a_renamed_student_makes_it_due_since_it_is_named_in_it(world: World) -> None:
    folder = world.result("kd-s0-11111111")
    world.compare()
    folder.rename(folder.with_name("best"))
    assert not world.dataset.exists()


def test_the_key_survives_folders_that_are_renamed_between_two_looks(world: World) -> None:
    store = world.root / "data"
    folder = world.result("kd-s0-11111111", "06_models/students")
    world.result("kd-s1-22222222", "06_models/students")
    elsewhere, task = folder.with_name("elsewhere"), folder.parent
    looks = at_every_look(store, lambda: comparison_key(store))
    for source, target in ((folder, elsewhere), (task, task.with_name("renamed"))):
        for number in looks:
            with before_look(number, store, lambda s=source, t=target: s.rename(t)):
                assert len(comparison_key(store)) == 64
            target.rename(source)
