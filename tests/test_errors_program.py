from __future__ import annotations

import pytest

from alpkd_pipeline.errors import PROGRAM, UserError, as_typed, module, program


@pytest.fixture
def _package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PROGRAM, "alpkd")


@pytest.fixture
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROGRAM, raising=False)


@pytest.mark.usefixtures("_project")
def test_in_the_project_commands_are_kedro_s() -> None:
    assert (program(), module()) == ("kedro", "kedro")
    assert as_typed("`kedro run` makes it") == "`kedro run` makes it"
    assert str(UserError("see `kedro verify`")) == "see `kedro verify`"


@pytest.mark.usefixtures("_package")
@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("`kedro run --pipeline=compare` makes it", "`alpkd run --pipeline=compare` makes it"),
        ("another kedro tune is at this search", "another alpkd tune is at this search"),
        ("rm -r x, then kedro rerun y; kedro sync", "rm -r x, then alpkd rerun y; alpkd sync"),
        # No commands of this project, and no commands at all.
        ("kedro viz run", "kedro viz run"),
        ("kedro runs it", "kedro runs it"),
        ("/home/kedro run/data", "/home/kedro run/data"),
        ("my-kedro run", "my-kedro run"),
    ],
)
def test_beside_the_package_alone_they_are_its_own(text: str, typed: str) -> None:
    assert as_typed(text) == typed
    assert str(UserError(text)) == typed


@pytest.mark.usefixtures("_package")
def test_the_package_starts_itself() -> None:
    assert (program(), module()) == ("alpkd", "alpkd_pipeline")
