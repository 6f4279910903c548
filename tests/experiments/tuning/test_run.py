"""A whole search in one process; only the training is pretended."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import PROJECT
from tests.experiments.tuning.conftest import SMALL, PretendingEngine

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments import campaign
from alpkd_pipeline.experiments.tuning import run as module
from alpkd_pipeline.experiments.tuning.run import Tuning, refuse_seeds
from alpkd_pipeline.experiments.tuning.search import held
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.metrics import METRICS

Make = Callable[..., Tuning]


class Place:
    """A copy of conf/ with SMALL as its search, and a store."""

    def __init__(self, root: Path) -> None:
        self.conf, self.store = root / "conf", root / "store"
        shutil.copytree(PROJECT / "conf", self.conf, ignore=shutil.ignore_patterns("local"))
        (self.conf / "local").mkdir()
        self.ask()

    def ask(self, **entries: Any) -> None:
        (self.conf / "base" / "tune.yml").write_text(yaml.safe_dump({**SMALL, **entries}))

    def tuning(self, trials: int | None = None, **blocks: Any) -> Tuning:
        given = {"run": {"store": str(self.store), "tracking": "off"}, **blocks}
        loader = ExperimentConfigLoader(str(self.conf), runtime_params=given, **CONFIG_LOADER_ARGS)
        return Tuning(PROJECT, loader, None, {}, "kedro tune", trials)

    @property
    def presets(self) -> Path:
        return self.conf / "base" / "parameters" / "tuned.yml"

    def record(self) -> dict[str, Any]:
        (path,) = self.store.glob("08_reporting/searches/*.json")
        return read_json(path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PretendingEngine]:
    def use(**how: Any) -> PretendingEngine:
        made = PretendingEngine(**how)
        monkeypatch.setattr(Tuning, "engine", lambda *_given: made)
        return made

    return use


def test_the_winner_of_each_study_becomes_a_preset(place: Place, engine: Any) -> None:
    engine(slots=2)
    assert place.tuning(trials=6).run("local", None) == 0
    entries = yaml.safe_load(place.presets.read_text())["tuned"]
    assert [entry["where"] for entry in entries] == [
        {"task": "demo", "method": "no_kd", "layers": 2},
        {"task": "demo", "method": "kd", "layers": 2},
    ]
    # The engine scores the learning rate; nothing that a method lacks is set for it.
    assert [set(entry["set"]) for entry in entries] == [
        {"training.lr"},
        {"training.lr", "method.eta"},
    ]
    assert all(entry["set"]["training.lr"] == 4e-4 for entry in entries)
    assert "best of 6 trials, holdout 0.4000" in entries[1]["by"]


def test_of_errors_the_smallest_wins(
    place: Place, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METRICS, "accuracy", replace(METRICS["accuracy"], is_error=True))
    engine()
    assert place.tuning(trials=6).run("local", None) == 0
    entries = yaml.safe_load(place.presets.read_text())["tuned"]
    assert [entry["set"]["training.lr"] for entry in entries] == [1e-4, 1e-4]
    assert "best of 6 trials, holdout 0.1000" in entries[1]["by"]
    assert [study["best"]["score"] for study in place.record()["studies"]] == [0.1, 0.1]


def test_the_record_says_how_the_budget_was_spent(place: Place, engine: Any) -> None:
    engine()
    place.tuning(trials=4).run("local", None)
    found = place.record()
    assert found["trials"] == {"asked": 4, "done": 7}
    assert (found["selection"], found["env"], found["seeds"]) == ("holdout", None, [0])
    assert found["ended"] is not None
    assert {s["metric"] for s in found["studies"]} == {"accuracy"}
    budgets = {s["method"]: (s["budget"], s["possible"]) for s in found["studies"]}
    assert budgets == {"no_kd": (3, 3), "kd": (4, 6)}


def test_the_same_search_again_trains_nothing(place: Place, engine: Any) -> None:
    engine()
    place.tuning().run("local", None)
    before = place.presets.read_text()
    again = engine()
    # Although the presets of the first call are in conf/ now.
    assert place.tuning().run("local", None) == 0
    assert again.jobs == []
    assert place.presets.read_text() == before


def test_a_stopped_search_writes_no_preset_and_goes_on(place: Place, engine: Any) -> None:
    engine(stop_at=4)
    assert place.tuning().run("local", None) == 130
    assert not place.presets.exists()
    assert place.record()["ended"] is None
    rest = engine()
    assert place.tuning().run("local", None) == 0
    assert sum(job.to_outputs == ("student",) for job in rest.jobs) < 6
    assert place.record()["trials"]["done"] == 6


def test_a_failure_of_something_else_writes_no_preset_and_says_how_to_go_on(
    place: Place, engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    engine(broken=["demo kd 2L trial 1"])
    assert place.tuning().run("local", None) == 1
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("no presets")]
    assert "1 of 6 trials failed" in line
    assert line.endswith("the same command tries them again")
    assert not place.presets.exists()
    assert place.record()["ended"] is None
    rest = engine()
    assert place.tuning().run("local", None) == 0
    assert len(rest.jobs) == 1
    assert len(yaml.safe_load(place.presets.read_text())["tuned"]) == 2


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")]
)
def test_however_a_search_ends_its_record_is_written_and_its_run_closed(
    place: Place, engine: Any, monkeypatch: pytest.MonkeyPatch, error: Any, status: str
) -> None:
    def end(*_given: object) -> bool:
        raise error

    engine()
    monkeypatch.setattr(module, "run_search", end)
    tuning, closed = place.tuning(), list[str]()
    monkeypatch.setattr(tuning._group, "close", lambda how, *_rest: closed.append(how))
    if error is KeyboardInterrupt:
        assert tuning.run("local", None) == 130
    else:
        with pytest.raises(error):
            tuning.run("local", None)
    assert closed == [status]
    assert place.record()["ended"] is None


def test_a_disk_that_fills_up_under_the_record_leaves_no_run_open(
    place: Place, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine()
    tuning, closed = place.tuning(), list[str]()
    monkeypatch.setattr(tuning._group, "close", lambda how, *_rest: closed.append(how))
    write = campaign.write_record

    def full(*given: Any, ended: bool) -> None:
        if ended:
            raise OSError(errno.ENOSPC, "No space left on device", "searches/x.json")
        write(*given, ended=ended)

    monkeypatch.setattr(campaign, "write_record", full)
    with pytest.raises(OSError, match="No space left"):
        tuning.run("local", None)
    assert closed == ["FINISHED"]


def test_a_search_in_which_all_fails_writes_no_preset(place: Place, engine: Any) -> None:
    engine(failing=["trial"])
    assert place.tuning().run("local", None) == 1
    assert not place.presets.exists()
    assert place.record()["trials"]["done"] == 0


def test_a_study_without_a_score_is_told_by_the_exit_code(place: Place, engine: Any) -> None:
    engine(failing=["demo kd"])
    assert place.tuning().run("local", None) == 1
    (entry,) = yaml.safe_load(place.presets.read_text())["tuned"]
    assert entry["where"]["method"] == "no_kd"


def test_one_process_at_a_time(place: Place, engine: Any) -> None:
    engine()
    tuning = place.tuning()
    with (
        held(place.store / "08_reporting" / "searches", [tuning.studies[1].name]),
        pytest.raises(UserError, match="another kedro tune"),
    ):
        tuning.run("local", None)


def test_planning_writes_nothing(place: Place, engine: Any, capsys: Any) -> None:
    engine()
    place.tuning().tell_plan("local", None)
    assert "2 studies, 6 trials to run" in capsys.readouterr().out
    assert not (place.store / "08_reporting").exists()
    place.tuning().run("local", None)
    capsys.readouterr()
    place.tuning().tell_plan("local", None)
    assert "2 studies, 0 trials to run" in capsys.readouterr().out


def test_what_is_searched_cannot_be_given(place: Place) -> None:
    with pytest.raises(UserError, match=r"--params cannot set 'training\.lr'"):
        place.tuning(training={"lr": 1e-3})


def test_a_study_is_not_chosen_by_seed() -> None:
    refuse_seeds({"method": ["kd"]})
    with pytest.raises(UserError, match="--only seed"):
        refuse_seeds({"seed": [1]})


def test_the_end_says_what_changed_and_how_to_undo_it(
    place: Place, engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    engine(slots=2)
    assert place.tuning(trials=1).run("local", None) == 0
    lr = yaml.safe_load(place.presets.read_text())["tuned"][0]["set"]["training.lr"]
    out = capsys.readouterr().out
    assert f"  demo no_kd 2L: training.lr={lr} (was 0.0004)" in out or lr == 4e-4
    assert "`kedro run` and `kedro sweep` train with these numbers" in out
    assert "to undo it, remove that file" in out
    engine(slots=2)
    assert place.tuning(trials=6).run("local", None) == 0
    out = capsys.readouterr().out
    assert f"  demo no_kd 2L: training.lr=0.0004 (was {lr})" in out or lr == 4e-4
    assert "to undo it, take these entries out of it, or write the old numbers into them" in out
