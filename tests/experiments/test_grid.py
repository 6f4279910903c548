from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PROJECT
from tests.experiments.conftest import SMALL

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.grid import SweepSpec


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"taks": ["demo"]}, "unknown entry 'taks'; did you mean 'tasks'?"),
        ({"tasks": []}, "'tasks' = []: should have 1 or more entries"),
        ({"tasks": ["No Such"]}, "'tasks.0' = 'No Such': string should match"),
        ({"methods": ["kdd"]}, "'methods.0' = 'kdd': unknown method 'kdd' (did you mean 'kd'?)"),
        ({"layers": [0]}, "'layers.0' = 0: input should be greater than or equal to 1"),
        ({"layers": ["3"]}, "'layers.0' = '3': should be a number, not text"),
        ({"seeds": [0, 1, 0]}, "'seeds' = [0, 1, 0]: 0 is given twice"),
        ({"seeds": 3}, "'seeds' = 3: should be a list"),
        ({"teacher_seeds": "some"}, "'teacher_seeds' = 'some': input should be 'same'"),
        ({"teacher_seeds": [1, 1]}, "'teacher_seeds' = [1, 1]: 1 is given twice"),
        (
            {"overrides": [{"wher": {}, "set": {"seed": 1}}]},
            "unknown entry 'overrides.0.wher'; did you mean 'where'?",
        ),
        (
            {"overrides": [{"where": {"tasks": "demo"}, "set": {"training.lr": 1.0}}]},
            "unknown entry 'overrides.0.where.tasks'; did you mean 'task'?",
        ),
        ({"overrides": [{"where": {}}]}, "'overrides.0.set' is missing"),
        (
            {"overrides": [{"where": {}, "set": {}}]},
            "'overrides.0.set' = {}: should have 1 or more",
        ),
        ({"exclude": [{"metod": "kd"}]}, "unknown entry 'exclude.0.metod'; did you mean 'method'?"),
        (
            {"exclude": [{"method": ["kd", "nope"]}]},
            "'exclude.0.method.1' = 'nope': unknown method 'nope'",
        ),
        (
            {"params": {"student.layers": 2}},
            "'student.layers' tells experiments apart: give its values in layers",
        ),
        ({"params": {"teacher": {"seed": 2}}}, "give its values in teacher_seeds"),
        ({"params": {"run.store": "x"}}, "'run' is the same for all experiments"),
        ({"measure": "perhaps"}, "'measure' = 'perhaps': should be true or false"),
        ({"experiments_per_gpu": 0}, "'experiments_per_gpu' = 0"),
    ],
)
def test_a_mistake_is_one_line(entries: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        SweepSpec.parse({**SMALL, **entries}, "conf/base/sweep.yml")
    line = str(error.value)
    assert line.startswith("conf/base/sweep.yml: ")
    assert told in line
    assert "\n" not in line


@pytest.mark.parametrize("name", ["tasks", "methods", "layers", "seeds"])
def test_every_list_is_needed(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' is missing"):
        SweepSpec.parse({key: value for key, value in SMALL.items() if key != name})


def test_settings_may_be_dotted_or_nested() -> None:
    dotted = SweepSpec.parse({**SMALL, "params": {"training.epochs": 3, "training.lr": 1e-5}})
    tree = SweepSpec.parse({**SMALL, "params": {"training": {"epochs": 3, "lr": 1e-5}}})
    assert dotted.params == tree.params == {"training": {"epochs": 3, "lr": 1e-5}}


def test_the_environments_of_the_project_are_valid() -> None:
    base = SweepSpec.read([PROJECT / "conf" / "base"])
    assert (base.tasks, base.seeds, base.teacher_seeds) == (("demo",), (0, 1, 2), "same")
    minilm = SweepSpec.read([PROJECT / "conf" / "minilm", PROJECT / "conf" / "base"])
    assert minilm.tasks == ("mrpc", "cola", "sst2")
    assert len(SweepSpec.read([PROJECT / "conf" / "paper", PROJECT / "conf" / "base"]).tasks) == 8
    assert SweepSpec.read([PROJECT / "conf" / "mpnet", PROJECT / "conf" / "base"]).layers[0] == 2


def write(conf: Path, env: str, text: str) -> None:
    (conf / env).mkdir(parents=True)
    (conf / env / "sweep.yml").write_text(text)


BASE = "{tasks: [demo], methods: [kd], layers: [2], seeds: [0], params: {training.lr: 1e-5}}"


def test_an_environment_replaces_base_and_adds_nothing_to_it(tmp_path: Path) -> None:
    write(tmp_path, "base", BASE)
    write(tmp_path, "own", "{tasks: [demo], methods: [kd], layers: [2], seeds: [0]}")
    assert SweepSpec.read([tmp_path / "own", tmp_path / "base"]).params == {}
    assert SweepSpec.read([tmp_path / "local", tmp_path / "base"]).params == {
        "training": {"lr": 1e-5}
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tasks: [demo", "conf/own/sweep.yml cannot be read: "),
        ("seeds: [0]\nseeds: [1]", "conf/own/sweep.yml cannot be read: "),
        ("- demo", "conf/own/sweep.yml: should map names to values"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, "own", text)
    with pytest.raises(UserError) as error:
        SweepSpec.read([tmp_path / "own"])
    assert str(error.value).startswith(told)
    assert "\n" not in str(error.value)


def test_no_file_says_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no conf/own/sweep.yml or conf/base/sweep.yml"):
        SweepSpec.read([tmp_path / "own", tmp_path / "base"])
