"""What the command line's parameters are read as, and the one line where that cannot be."""

from __future__ import annotations

import sys
from typing import Any

import click
import pytest

from alpkd_pipeline.cli import COMMANDS
from alpkd_pipeline.commands.common import command_line, read_params
from alpkd_pipeline.errors import PROGRAM


def read(text: Any) -> dict[str, Any]:
    return read_params(click.Context(click.Command("x")), click.Option(["--params"]), text)


def refused(text: str) -> str:
    with pytest.raises(click.ClickException) as caught:
        read(text)
    assert not isinstance(caught.value, click.UsageError), "it prints three lines"
    assert "\n" not in caught.value.format_message()
    return caught.value.format_message()


def test_dots_commas_and_numbers() -> None:
    assert read("student.layers=2,training.lr=1e-5,seed=3") == {
        "student": {"layers": 2},
        "training": {"lr": 1e-5},
        "seed": 3,
    }
    assert read("") == {}
    assert read({"a": 1}) == {"a": 1}


@pytest.mark.parametrize("text", ["student.layers", "=1", " =1", "training.lr=[1,2]"])
def test_a_part_without_name_or_value_is_one_line(text: str) -> None:
    assert refused(text).startswith("--params: ")


def test_a_list_in_brackets_is_told_how_it_is_written() -> None:
    for text in ("compare.looks=[5,3]", "compare.primary=[[alp_kd,kd]]"):
        assert refused(text).endswith("; a list is written with bars, a|b, or in conf/")
    assert "bars" not in refused("student.layers")


@pytest.mark.parametrize(
    "value", ["@x", "*x", "&x *y", "!x y", "%", "`x", "{", "[", '"x', "'x", "${x", "a: b: c", "\0"]
)
def test_a_value_that_is_no_yaml_is_named_by_its_parameter(value: str) -> None:
    line = refused(f"seed=1,run.experiment={value}")
    assert "'run.experiment' or its value cannot be read as YAML" in line


def test_a_name_that_opens_a_bracket() -> None:
    assert "'[' or its value cannot be read" in refused("seed=1,[=2")


def test_quotes_let_a_value_through() -> None:
    assert read('run.experiment="@x"') == {"run": {"experiment": "@x"}}


def test_the_line_does_not_quote_the_value() -> None:
    assert "hush" not in refused("run.tracking=@hush")


def test_a_command_line_is_written_down_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["kedro", "sweep", "--params=seed=1,run.tracking=https://me:hush@host:5000"]
    monkeypatch.setattr(sys, "argv", given)
    assert command_line() == "kedro sweep --params=seed=1,run.tracking=https://***@host:5000"
    monkeypatch.setenv(PROGRAM, "alpkd")
    assert command_line() == "alpkd sweep --params=seed=1,run.tracking=https://***@host:5000"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_reads_its_parameters_this_way(name: str) -> None:
    from kedro.utils import load_obj

    command = load_obj(COMMANDS[name])
    for each in getattr(command, "commands", {name: command}).values():
        for option in each.params:
            if "--params" in option.opts and name != "catalog":
                assert option.callback is read_params
