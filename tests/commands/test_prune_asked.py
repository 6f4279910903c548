"""Which keys the configuration asks for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.project.conftest import PROJECT, nested

from alpkd_pipeline.commands.prune import asked_keys
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS
from alpkd_pipeline.store.layout import DATA, MODELS


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The demo's conf/, whose sweep has the methods kd and no_kd."""
    shutil.copytree(PROJECT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "conf" / "local").mkdir()
    sweep(tmp_path / "conf", "[kd, no_kd]")
    return tmp_path / "conf"


def sweep(conf: Path, methods: str) -> None:
    text = f"tasks: [demo]\nmethods: {methods}\nlayers: [4]\nseeds: [0]\nmeasure: false\n"
    (conf / "base" / "sweep.yml").write_text(text)


def loader(conf: Path, **flat: object) -> ExperimentConfigLoader:
    given = nested({"run.store": str(conf.parent / "store"), **flat})
    return ExperimentConfigLoader(str(conf), runtime_params=given, **CONFIG_LOADER_ARGS)


def keys(conf: Path, **flat: object) -> dict[str, str]:
    experiment = Experiment(loader(conf, **flat).params, PROJECT)
    return {name: experiment.stage(name).key for name in (*DATA, *MODELS)}


def test_those_of_the_run_and_of_each_experiment_of_the_sweep(conf: Path) -> None:
    found = asked_keys(loader(conf), PROJECT, None)
    for method in ("alp_kd", "kd", "no_kd"):
        assert set(keys(conf, **{"method.name": method}).values()) <= found
    assert keys(conf, **{"method.name": "uniform"})["student"] not in found


def test_parameters_of_the_command_line_are_those_of_the_run(conf: Path) -> None:
    given = {"student.layers": 2}
    found = asked_keys(loader(conf, **given), PROJECT, None)
    assert keys(conf, **given)["student"] in found
    assert keys(conf, **{"method.name": "kd"})["student"] in found


def test_without_a_sweep_those_of_the_run(conf: Path) -> None:
    (conf / "base" / "sweep.yml").unlink()
    assert asked_keys(loader(conf), PROJECT, None) == set(keys(conf).values())


def test_a_sweep_that_cannot_be_read_is_an_error(conf: Path) -> None:
    sweep(conf, "[nonsense]")
    with pytest.raises(UserError, match="nonsense"):
        asked_keys(loader(conf), PROJECT, None)


def test_hashes_are_remembered_in_the_store_that_was_named(conf: Path) -> None:
    asked_keys(loader(conf), conf.parent, None)
    assert (conf.parent / "store" / ".cache").is_dir()
    assert not (conf.parent / "data").exists()
