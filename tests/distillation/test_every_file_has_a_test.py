"""Fails for a loss or a method without a test of its own, or that users cannot find."""

import json
from pathlib import Path

import pytest
import yaml
from tests.conftest import PROJECT

from alpkd_pipeline import distillation
from alpkd_pipeline.distillation.method_table import METHODS

SOURCE = Path(distillation.__file__).parent
TESTS = Path(__file__).parent
GOLDEN = TESTS.parent / "golden" / "method_losses.json"


def stems(folder):
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize(
    ("folder", "stem"),
    [(folder, stem) for folder in ("losses", "methods") for stem in stems(SOURCE / folder)],
)
def test_file_has_a_test_beside_it(folder, stem):
    path = TESTS / folder / f"test_{stem}.py"
    assert path.is_file(), f"write {path}"
    assert "def test_" in path.read_text("utf-8"), f"{path} tests nothing"


def test_every_method_file_is_in_the_table_and_every_row_has_its_file():
    assert {row.class_path.split(".")[-2] for row in METHODS.values()} == set(
        stems(SOURCE / "methods")
    )


def test_every_method_has_golden_losses():
    assert set(METHODS) <= set(json.loads(GOLDEN.read_text("utf-8")))


@pytest.mark.parametrize("page", ["docs/methods.md", "docs/configuration.md"])
def test_every_method_is_named_where_users_look(page):
    text = (PROJECT / page).read_text("utf-8")
    assert [name for name in METHODS if f"`{name}`" not in text] == []


IMPOSSIBLE = {"mpnet": {"tinybert"}}
"""Methods that need what an environment's encoder does not have, such as plain attention scores."""


def with_weights() -> list[Path]:
    """The files of parameters that have weights of methods."""
    files = [*PROJECT.glob("conf/*/parameters.yml"), *PROJECT.glob("conf/*/parameters/*.yml")]
    return sorted(file for file in files if "\nmethods:" in file.read_text("utf-8"))


@pytest.mark.parametrize("file", with_weights(), ids=lambda file: file.parts[-2])
def test_every_method_that_distills_has_its_weights_in_every_environment(file):
    """Without them it would be compared under other conditions than its rivals."""
    given = yaml.safe_load(file.read_text("utf-8"))["methods"]
    distill = {name for name, row in METHODS.items() if row.terms != {"hard"}}
    assert distill - IMPOSSIBLE.get(file.parent.name, set()) <= given.keys()
