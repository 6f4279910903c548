"""The comparison is due again exactly when there is something else to compare."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kedro.io import DatasetError
from tests.renames import at_every_look, before_look

from alpkd_pipeline.datasets.comparison import ComparisonDataset, comparison_key, comparison_of
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.params import CompareParams
from alpkd_pipeline.reporting import report
from alpkd_pipeline.reporting.collect import Query
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.manifest import publish, read_json, seal, write_json
from alpkd_pipeline.store.run_folder import DamagedError


class World:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "data"
        self.dataset = self.fresh()

    def fresh(self) -> ComparisonDataset:
        base = self.store / "08_reporting" / "comparison"
        query = CompareParams().model_dump_json()
        return ComparisonDataset(filepath=str(base), store=str(self.store), compare=query)

    def now(self, order: float | None = None) -> Artifact:
        """The comparison of what is there now."""
        base = self.store / "08_reporting" / "comparison"
        return comparison_of(Artifact("comparison", "", base, order=order), self.store, Query())

    def is_made(self) -> bool:
        """Whether it is there, as the step and the catalog see it."""
        made = self.now().is_made
        assert not made or self.dataset.exists()
        return made

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

    def compare(self, artifact: Artifact | None = None) -> Path:
        artifact = artifact or self.now()
        work = self.store / "08_reporting" / "comparison.work"
        work.mkdir(parents=True)
        (work / "comparison.md").write_text("table")
        (work / "groups.csv").write_text("method,mean\nkd,0.75\n")
        publish(work, artifact.expected, artifact.facts)
        self.dataset.save(artifact)
        return self.dataset.path


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_is_not_there_when_what_was_compared_is_damaged(world: World) -> None:
    scores = world.result("kd-s0-11111111", text='{"score": 0.75}')
    world.compare()
    (scores / "scores.json").write_text('{"score": 0.85}')
    with pytest.raises(DamagedError, match=r"scores\.json is damaged: sha256"):
        world.is_made()


def test_it_is_made_again_when_it_is_damaged_itself(world: World) -> None:
    world.result("kd-s0-11111111")
    folder = world.compare()
    (folder / "comparison.md").write_text("tabel")
    assert not world.is_made()
    world.compare()
    assert world.is_made()
    assert (folder / "comparison.md").read_text() == "table"


def test_it_is_there_once_it_is_written(world: World) -> None:
    world.result("kd-s0-11111111")
    assert not world.is_made()
    folder = world.compare()
    assert world.is_made()
    assert world.fresh().exists()
    assert (folder / "comparison.md").read_text() == "table"
    assert folder.name == comparison_key(world.store, Query())[:8]
    assert read_json(folder / "manifest.json")["key"] == comparison_key(world.store, Query())


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
    assert not world.is_made()
    second = world.compare()
    assert second != first
    assert first.is_dir()


def test_a_result_that_is_not_finished_does_not_count(world: World) -> None:
    world.compare()
    world.result("kd-s1-22222222.work")
    assert world.is_made()


def test_a_result_of_another_kind_does_not_count(world: World) -> None:
    world.compare()
    world.result("kd-s1-22222222", "02_intermediate/splits")
    assert world.is_made()


def test_a_result_that_was_made_again_makes_it_due(world: World) -> None:
    world.result("kd-s0-11111111")
    world.compare()
    world.result("kd-s0-11111111")
    assert world.is_made()
    world.result("kd-s0-11111111", text='{"accuracy": 0.5}')
    assert not world.is_made()


def test_a_result_that_is_deleted_gives_the_comparison_without_it(world: World) -> None:
    world.result("kd-s0-11111111")
    first = world.compare()
    gone = world.result("kd-s1-22222222")
    world.compare()
    shutil.rmtree(gone)
    assert world.is_made()
    assert world.dataset.path == first


def test_an_order_makes_it_missing_until_it_is_written_again(world: World) -> None:
    world.compare()
    ordered = world.now(order=12.5)
    assert not ordered.is_made
    world.compare(ordered)
    assert ordered.is_made
    assert world.is_made()
    assert not world.now(order=13.5).is_made


def test_it_loads_as_a_table(world: World) -> None:
    with pytest.raises(DatasetError, match="not compared yet: kedro run --pipeline=compare"):
        world.dataset.load()
    world.compare()
    assert world.dataset.load().to_dict("records") == [{"method": "kd", "mean": 0.75}]
    (world.dataset.path / "groups.csv").write_text("method,mean\nkd,0.85\n")
    with pytest.raises(DatasetError, match=r"groups\.csv is damaged"):
        world.dataset.load()


def test_a_damaged_table_is_not_there(world: World) -> None:
    folder = world.compare()
    (folder / "comparison.md").unlink()
    assert not world.is_made()


def test_an_empty_store_has_a_key_too(world: World) -> None:
    assert len(comparison_key(world.store, Query())) == 64
    assert comparison_key(world.store, Query()) == comparison_key(world.store, Query())
    assert world.dataset._describe()["filepath"].endswith("comparison")


def test_what_sweeps_ask_for_makes_it_due_and_how_far_they_are_does_not(world: World) -> None:
    world.compare()
    experiment = {"key": "1" * 64, "state": "todo"}
    world.record("sweeps", "s-1", cells=[experiment])
    assert not world.is_made()
    world.compare()
    world.record("sweeps", "s-1", cells=[{**experiment, "state": "done"}])
    assert world.is_made()


def test_a_search_makes_it_due(world: World) -> None:
    world.compare()
    world.record("searches", "tune-1", studies=[])
    assert not world.is_made()


def test_each_sweep_has_a_comparison_of_its_own(world: World) -> None:
    for name in ("s-1", "s-2"):
        world.record("sweeps", name, cells=[{"key": name[-1] * 64}])
    keys = {comparison_key(world.store, Query(sweep)) for sweep in (None, "s-1", "s-2")}
    assert len(keys) == 3
    assert comparison_key(world.store, Query("latest")) == comparison_key(world.store, Query("s-2"))
    with pytest.raises(UserError, match="no sweep is called so"):
        comparison_key(world.store, Query("s-3"))


def test_the_pages_template_is_part_of_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from alpkd_pipeline.datasets import comparison

    copied = tmp_path / "package"
    shutil.copytree(Path(report.__file__).parents[1], copied / "reporting")
    monkeypatch.setattr(comparison, "PACKAGE_ROOT", copied)
    comparison._code.cache_clear()
    before = comparison_key(world.store, Query())
    (copied / "reporting" / "render" / "page.css").write_text("body {}")
    assert comparison_key(world.store, Query()) == before  # read once for each process
    comparison._code.cache_clear()
    assert comparison_key(world.store, Query()) != before
    comparison._code.cache_clear()


def test_what_comes_in_while_it_is_written_makes_it_due_again(world: World) -> None:
    world.result("kd-s0-11111111")
    artifact = world.now()
    world.result("kd-s1-22222222")
    folder = world.compare(artifact)
    assert folder.name == artifact.key[:8]
    assert artifact.run["compared"] == artifact.key
    assert folder.is_dir()
    assert not world.is_made()
    assert not world.fresh().exists()


def test_copies_make_nothing_due(world: World) -> None:
    folder = world.result("kd-s0-11111111")
    world.compare()
    shutil.copytree(folder, folder.with_name("my copy"))
    assert world.is_made()
    shutil.copytree(folder, folder.with_name(".kd-s0-11111111.0.old"))
    assert world.is_made()


def test_a_renamed_student_makes_it_due_since_it_is_named_in_it(world: World) -> None:
    folder = world.result("kd-s0-11111111")
    world.compare()
    folder.rename(folder.with_name("best"))
    assert not world.is_made()


def test_the_key_survives_folders_that_are_renamed_between_two_looks(world: World) -> None:
    store = world.root / "data"
    folder = world.result("kd-s0-11111111", "06_models/students")
    world.result("kd-s1-22222222", "06_models/students")
    elsewhere, task = folder.with_name("elsewhere"), folder.parent
    comparison_key(store, Query())  # the code is looked at once in a process
    looks = at_every_look(store, lambda: comparison_key(store, Query()))
    for source, target in ((folder, elsewhere), (task, task.with_name("renamed"))):
        for number in looks:
            with before_look(number, store, lambda s=source, t=target: s.rename(t)):
                assert len(comparison_key(store, Query())) == 64
            target.rename(source)


def test_another_question_has_a_comparison_of_its_own(world: World) -> None:
    world.result("kd-s0-11111111")
    plan = Plan(primary=[("kd", "no_kd")], margin={"accuracy": 2.0}, looks=[5, 10])
    query = [Query(), Query(plan=plan), Query(plan=Plan(looks=[5])), Query(only={"task": ["mrpc"]})]
    assert len({comparison_key(world.store, one) for one in query}) == 4


def test_a_sweep_of_the_same_experiments_has_the_same_comparison(world: World) -> None:
    for name in ("s-1", "s-2"):
        world.record("sweeps", name, cells=[{"key": "1" * 64}])
    keys = {comparison_key(world.store, Query(sweep)) for sweep in ("s-1", "s-2")}
    assert len(keys) == 1
