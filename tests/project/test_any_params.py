"""No parameters make a traceback, whether they come from files or from the command line."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from hypothesis import strategies as st
from tests.project.conftest import PROJECT
from tests.project.test_params import with_changes
from tests.properties import EFFORTS, answer, for_all

from alpkd_pipeline.commands.common import read_params
from alpkd_pipeline.coordinates import parse_only
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.grid import SweepSpec
from alpkd_pipeline.project.check import check
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.params import Params, known_names
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS

examples_of = pytest.mark.parametrize("examples", EFFORTS)

NAMES = [*known_names(), "methods.kd.beta", "methods.kd", "methods", "tuned", "method.overlap"]
NAMES += ["student.layer", "training:lr", "", ".", "a..b", "exact", "exact.task", "command", "<<"]
WORDS = ["demo", "kd", "alp_kd", "auto", "off", "sqlite", "true", "null", "1e-5", "0x10", "~", "~x"]
WORDS += ["../x", "a|b", "http://u:p@h", "${seed}", "${x}", "${", "???", "@a", "*a", "&a b", "!a b"]
WORDS += [
    "[",
    "{",
    "{a: 1}",
    "[1]",
    '"',
    "'",
    ": ",
    "- ",
    "# ",
    "%",
    "`",
    "|",
    ">",
    "?",
    "---",
    "\0",
]
WORDS += ["\n", "\t", "\x1b[31m", "\u2028", "ä", "9" * 5000, "0x" + "f" * 5000, "x" * 300, ".nan"]

words = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=3).map("".join)
numbers = st.sampled_from([0, 1, -1, 2, 13, 64, 2**31, 0.5, 1e-5, float("nan"), float("inf")])
plain = st.none() | st.booleans() | numbers | words
values = st.recursive(
    plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(words, v, max_size=3), max_leaves=5
)
names = st.sampled_from(NAMES) | words


@examples_of
def test_any_values(examples: int) -> None:
    def one(changes: dict[str, Any]) -> None:
        found = answer(lambda: check(tree_of(changes)))
        if isinstance(found, UserError):
            return
        assert isinstance(found, Params)
        plain = found.plain()
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain
        assert check(plain) == found

    for_all(examples * 5, st.dictionaries(names, values, min_size=1, max_size=2), one)


def tree_of(changes: dict[str, Any]) -> dict[str, Any]:
    """The least parameters with these values at dotted paths, as far as there is a place."""
    tree = with_changes({})
    for path, value in changes.items():
        try:
            tree = put(copy.deepcopy(tree), path, value)
        except (AttributeError, TypeError):
            continue
    return tree


def put(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    block = tree
    *parents, last = path.split(".")
    for parent in parents:
        block = block.setdefault(parent, {})
    block[last] = value
    return tree


@pytest.mark.parametrize("tree", [None, [], 1, "x", {}, {"task": 3}, {1: 2}, {"": {}}])
def test_any_tree(tree: Any) -> None:
    assert isinstance(answer(lambda: check(tree)), UserError)


@examples_of
def test_any_words_on_the_command_line(examples: int) -> None:
    items = st.tuples(names, st.sampled_from(["=", "=", "=", ":", ""]), words).map("".join)

    def one(items: list[str]) -> None:
        line = ",".join(items)
        found = answer(lambda: loaded(line))
        assert isinstance(found, Params | UserError)
        if "http://u:p@h" in line and isinstance(found, UserError):
            assert "run.tracking" not in str(found) or "u:p" not in str(found)

    for_all(examples, st.lists(items, max_size=3), one)


def loaded(line: str) -> Params:
    """The parameters that a command works with; a click error is one line for the user too."""
    option = click.Option(["--params"])
    try:
        given = read_params(click.Context(click.Command("x")), option, line)
        return ExperimentConfigLoader(
            str(PROJECT / "conf"), runtime_params=given, **CONFIG_LOADER_ARGS
        ).params
    except click.UsageError as error:
        raise AssertionError("it would print three lines") from error
    except click.ClickException as error:
        raise UserError(error.format_message()) from None


@examples_of
def test_any_file_in_conf(tmp_path: Path, examples: int) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "local").mkdir()
    (tmp_path / "base" / "parameters.yml").write_text(yaml.safe_dump(with_changes({})))
    lines = st.tuples(st.sampled_from(["", "  "]), names, st.sampled_from([": ", ":", "\n"]), words)
    texts = st.lists(lines.map("".join), max_size=4).map("\n".join)

    def one(text: str) -> None:
        (tmp_path / "local" / "parameters.yml").write_text(text, "utf-8", "replace")
        answer(lambda: ExperimentConfigLoader(str(tmp_path), **CONFIG_LOADER_ARGS).params)

    for_all(examples, texts, one)


@examples_of
def test_any_sweep(examples: int) -> None:
    keys = st.sampled_from(["tasks", "methods", "layers", "seeds", "teacher_seeds", "params"])
    keys |= (
        st.sampled_from(["overrides", "exclude", "measure", "experiments_per_gpu", "ray"]) | words
    )
    right = {"tasks": ["demo"], "methods": ["kd"], "layers": [2], "seeds": [0]}

    def one(changes: dict[str, Any]) -> None:
        answer(lambda: SweepSpec.parse({**right, **changes}))

    for_all(examples * 5, st.dictionaries(keys, values, max_size=3), one)


@examples_of
def test_any_part_of_a_sweep(examples: int) -> None:
    items = st.tuples(st.sampled_from(["task", "seed", "layers", "x", ""]), words)
    text = st.lists(items.map("=".join), max_size=3).map(",".join)
    for_all(examples, text, lambda value: answer(lambda: parse_only(value)) and None)
