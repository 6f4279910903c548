"""What surrounds real runs of small pipelines: what is wanted, devices, presets, the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.conftest import PROJECT
from tests.databases import initialised_database
from tests.steps.world import DEVICES, STUDENT, World

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initialised_database(tmp_path_factory)


@pytest.fixture
def world(tmp_path: Path, database: Path) -> World:
    return World(tmp_path, database)


# The end of a run --------------------------------------------------------------------------------


def test_the_end_is_a_table_and_where_things_are(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline())
    said = capsys.readouterr().out
    assert "teacher" in said
    assert "dev accuracy" in said
    assert f"student: {world.store / '06_models/students/mrpc/kd-3L-s1-aaaaaaaa'}" in said
    assert "mlflow: make mlflow" in said
    ((run_id,),) = world.rows(f"select run_uuid from runs where name = '{STUDENT}'")
    assert said.splitlines()[-1].endswith(f"/runs/{run_id}")


def test_it_is_said_again_when_nothing_had_to_be_made(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline())
    first = capsys.readouterr().out
    world.run(world.pipeline())
    assert capsys.readouterr().out == first


def test_a_teacher_alone_has_a_table_without_a_student(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline().only_nodes("teach", "score_teacher"))
    said = capsys.readouterr().out
    assert "teacher" in said
    assert "student" not in said


def test_a_comparison_says_where_its_page_is(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline())
    capsys.readouterr()
    world.run(world.comparing())
    said = capsys.readouterr().out
    assert "report.html" in said
    assert "student: " not in said
    assert "students: http://127.0.0.1:5000/#/experiments/" in said


def test_without_tracking_there_is_no_way_to_mlflow(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tracking = "off"
    world.run(world.pipeline())
    assert "mlflow" not in capsys.readouterr().out


def test_a_pipeline_without_scores_says_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.run(world.pipeline().only_nodes("teach"))
    assert capsys.readouterr().out == ""


def test_a_preset_in_use_is_named_before_and_in_the_table(
    world: World,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf)
    entry = {"where": {"method": "kd"}, "set": {"training.lr": 8e-4}, "by": "tune-x: best of 2"}
    tuned = conf / "base" / "parameters" / "tuned.yml"
    for entries, titles in (([entry], 1), ([], 0)):
        tuned.write_text(yaml.safe_dump({"tuned": entries}))
        given = {"method": {"name": "kd"}}
        loader = ExperimentConfigLoader(str(conf), runtime_params=given, **CONFIG_LOADER_ARGS)
        experiment = json.loads(loader["catalog"]["experiment"]["experiment"])
        world.preset = {name: experiment[name] for name in ("preset", "title")}
        caplog.clear()
        with caplog.at_level("INFO"):
            world.run(world.pipeline())
        assert capsys.readouterr().out.count("student with preset tune-x") == titles
        assert caplog.text.count("preset in use: training.lr=0.0008 (tune-x: best of 2;") == titles


GONE = "cuda:1000"
"""A device that no machine has."""


@pytest.mark.parametrize("asked", ["training", "teacher"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    there = {"device": GONE}
    monkeypatch.setitem(DEVICES, asked, there if asked == "training" else {"training": there})
    with pytest.raises(UserError, match=f"'{GONE}': this machine has no such device"):
        world.run(world.pipeline())
    assert not world.store.exists()
