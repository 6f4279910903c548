from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.names import folder_names
from tests.project.conftest import PROJECT, Load
from tests.properties import for_all

from alpkd_pipeline.project.config_loader import ConfigError, ExperimentConfigLoader
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS


def test_parameters_come_out_checked_and_complete(load: Load) -> None:
    params = load({"method.name": "kd"})["parameters"]
    assert params["method"]["temperature"] == 2.0
    assert params["training"]["accumulation"] == 1
    assert "methods" not in params


@pytest.mark.parametrize(
    ("flat", "line"),
    [
        ({"training.lrr": 1}, "unknown parameter 'training.lrr'; did you mean 'training.lr'?"),
        ({"student:layers": 2}, "not student:layers"),
        ({"training.lr": "1e-5"}, "parameter 'training.lr' = '1e-5'"),
        ({"training.lr": float("nan")}, "finite"),
        ({"training.epochs": 0}, "parameter 'training.epochs' = 0"),
        ({"method.temperature": 0}, "parameter 'method.temperature' = 0"),
        ({"method.name": "alp"}, "did you mean 'alp_kd'"),
        ({"method.name": "kd", "method.lambda": 0.5}, "lambda"),
        ({"method.name": "no_kd", "method.overlap": 2}, "overlap"),
        ({"task.name": "../secret"}, "task.name"),
        ({"task.source": "web"}, "task.source"),
        ({"teacher.revision": "main"}, "teacher.revision"),
        ({"student.init": "checkpoint"}, "student.checkpoint"),
        ({"student.hidden_size": 32}, "student.hidden_size"),
        ({"student.checkpoint": "x"}, "student.init"),
    ],
)
def test_a_wrong_parameter_is_one_line(load: Load, flat: dict, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _ = load(flat)["parameters"]
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flat", "line"),
    [
        ({"student.layers": 13}, "has 12 layers"),
        ({"task.name": "rte"}, "--env=minilm"),
        ({"task.name": "rte", "task.source": "folder", "task.path": "."}, "made-up words"),
        (
            {"student.init": "random", "student.hidden_size": 32, "student.heads": 2},
            "method.projection=linear",
        ),
        ({"teacher.model": "./nowhere"}, "nowhere"),
        ({"teacher.model": "org/name"}, "teacher.revision"),
        ({"task.metrics": ["bleu"]}, "bleu"),
        ({"task.name": "mine", "task.source": "table"}, "task.text_columns"),
    ],
)
def test_a_contradiction_is_one_line(load: Load, flat: dict, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _ = load(flat)["catalog"]
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_environment_is_one_line(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"no configuration environment 'papr'.*base.*paper"):
        _ = load(env="papr")["parameters"]


def test_a_misspelt_environment_gets_its_neighbour(load: Load) -> None:
    with pytest.raises(
        ConfigError, match=r"'minlm' in .*conf; did you mean 'minilm'\? \(there are"
    ):
        _ = load(env="minlm")["parameters"]


@pytest.mark.parametrize("missing", ["conf", "local"])
def test_a_folder_that_kedro_wants_is_named(tmp_path: Path, missing: str) -> None:
    conf = tmp_path / "conf"
    if missing == "local":
        shutil.copytree(PROJECT / "conf" / "base", conf / "base")
    loader = ExperimentConfigLoader(str(conf), env=None, **CONFIG_LOADER_ARGS)
    with pytest.raises(ConfigError) as caught:
        _ = loader["parameters"]
    line = caught.value.format_message()
    assert line == f"there is no {conf / 'local'}: make that folder, which may be empty"


def test_a_conf_without_parameters_says_what_is_missing(tmp_path: Path) -> None:
    for name in ("base", "local"):
        (tmp_path / name).mkdir()
    loader = ExperimentConfigLoader(str(tmp_path), env=None, **CONFIG_LOADER_ARGS)
    with pytest.raises(ConfigError, match="cannot be read: No files of YAML or JSON format found"):
        _ = loader["parameters"]


def test_an_environment_where_there_is_no_conf(tmp_path: Path) -> None:
    loader = ExperimentConfigLoader(str(tmp_path / "conf"), env="paper", **CONFIG_LOADER_ARGS)
    with pytest.raises(ConfigError, match=r"no configuration environment 'paper'.*are: none\)"):
        _ = loader["parameters"]


@pytest.mark.parametrize("env", ["..", ".", "../conf/paper", "/etc", "a/../..", "a\nb", "-x"])
def test_an_environment_is_a_folder_of_conf_itself(load: Load, env: str) -> None:
    with pytest.raises(ConfigError, match="no configuration environment") as caught:
        _ = load(env=env)["parameters"]
    assert "\n" not in caught.value.format_message()


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({"seed": "${x}"}, "Interpolation key 'x' not found"),
        ({"run.experiment": "${oc.env:HOME}"}, "Unsupported interpolation"),
        ({"exact": 1}, "the parameters are 1: should map names to values"),
        ({"tuned": 3}, "should be a list"),
    ],
)
def test_what_cannot_be_put_together_is_one_line(load: Load, flat: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        _ = load(flat)["parameters"]
    assert "\n" not in caught.value.format_message()


def test_a_file_that_holds_no_mapping_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "local").mkdir()
    (tmp_path / "base" / "parameters.yml").write_text("12\n")
    with pytest.raises(ConfigError, match="cannot be put together") as caught:
        _ = ExperimentConfigLoader(str(tmp_path), **CONFIG_LOADER_ARGS).params
    assert "\n" not in caught.value.format_message()


def test_a_key_in_two_files_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "local").mkdir()
    for name in ("parameters.yml", "parameters_too.yml"):
        (tmp_path / "base" / name).write_text("seed: 1\n")
    with pytest.raises(ConfigError, match="Duplicate keys found") as caught:
        _ = ExperimentConfigLoader(str(tmp_path), **CONFIG_LOADER_ARGS).params
    assert "\n" not in caught.value.format_message()


def test_two_loaders_in_one_process_keep_their_own_paths(load: Load) -> None:
    one, two = load({"seed": 1}), load({"seed": 2})
    paths = [loader["catalog"]["student"]["artifact"] for loader in (one, two, one)]
    assert "-s1-" in paths[0]
    assert "-s2-" in paths[1]
    assert paths[0] == paths[2]


def test_words_on_the_command_line_become_values(load: Load) -> None:
    params = load({"method.detach_weights": "true", "training.patience": "null"})["parameters"]
    assert params["method"]["detach_weights"] is True
    assert params["training"]["patience"] is None


def test_an_exact_set_replaces_everything(load: Load) -> None:
    exact = load({"seed": 7, "method.name": "kd"}).params.plain()
    again = load({})
    again.runtime_params = {"exact": exact}
    assert again.params.plain() == exact


def test_an_environment_adds_to_base(load: Load) -> None:
    params = load(env="minilm")["parameters"]
    assert params["task"]["name"] == "mrpc"
    assert params["training"]["batch_size"] == 32
    assert params["method"] | {"beta": 0.1, "temperature": 10.0} == params["method"]


def test_the_command_repeats_environment_and_parameters(load: Load) -> None:
    loader = load({"seed": 3, "method.name": "kd"}, env="minilm")
    assert loader.experiment.command == (
        "kedro run --pipeline=distill --env=minilm --params=seed=3,method.name=kd"
    )


def test_conf_is_read_below_folders_of_any_name(tmp_path: Path) -> None:
    def configured(conf: Path, env: str | None = None) -> tuple[dict, list[str]]:
        given = {"run": {"store": str(tmp_path / "store")}}
        loader = ExperimentConfigLoader(
            str(conf), env=env, runtime_params=given, **CONFIG_LOADER_ARGS
        )
        return loader["parameters"], sorted(loader["catalog"])

    expected = configured(PROJECT / "conf", "minilm")

    def one(name: str) -> None:
        conf = tmp_path / "above" / name / "conf"
        if not conf.exists():
            shutil.copytree(PROJECT / "conf", conf)
        assert configured(conf, "minilm") == expected

    for name in ("v[2]", "q?x", "[!a]", "a/**/b"):
        one(name)
    for_all(3, folder_names, one)


def test_only_what_follows_the_environment_is_a_pattern(tmp_path: Path) -> None:
    conf = tmp_path / "[ab]" / "conf"
    for file in ("base/parameters.yml", "base/parameters/x/y.yml", "base/deep/parameters_z.yml"):
        (conf / file).parent.mkdir(parents=True, exist_ok=True)
        (conf / file).write_text("")
    (tmp_path / "a" / "conf" / "base").mkdir(parents=True)
    (tmp_path / "a" / "conf" / "base" / "parameters.yml").write_text("")
    (conf / "local").mkdir()
    loader = ExperimentConfigLoader(str(conf), runtime_params={}, **CONFIG_LOADER_ARGS)
    base = conf / "base"

    def found(pattern: str) -> list[str]:
        return [str(Path(p).relative_to(base)) for p in loader._fs.glob(str(base / pattern))]

    assert found("parameters*") == ["parameters.yml"]
    assert found("parameters*/**") == ["parameters/x/y.yml"]
    assert found("**/parameters*") == ["deep/parameters_z.yml", "parameters.yml"]
