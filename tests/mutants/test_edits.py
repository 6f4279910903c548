"""Every mutant of the lists fits today's code, and what fits nowhere or twice is refused."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import PROJECT
from tests.mutants.edits import EditError, Mutant, Sources, read_mutants

MUTANTS = read_mutants()
SOURCES = Sources(PROJECT / "src")


def test_there_are_many_and_no_two_are_the_same() -> None:
    assert len(MUTANTS) >= 69
    assert len({(mutant.where, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)


def test_each_edit_fits_once() -> None:
    """Moved, a function is found again; renamed or rewritten, the list has to follow."""
    misfits = []
    for mutant in MUTANTS:
        try:
            SOURCES.apply(mutant)
        except EditError as error:
            misfits.append(str(error))
    assert not misfits, "\n\n".join(misfits)


def test_each_killer_is_there() -> None:
    killers = {killer.partition("[")[0] for mutant in MUTANTS for killer in mutant.killers}
    for file in {killer.partition("::")[0] for killer in killers}:
        body = ast.parse((PROJECT / file).read_text("utf-8")).body
        there = {f"{file}::{node.name}" for node in body if isinstance(node, ast.FunctionDef)}
        assert {name for name in killers if name.startswith(f"{file}::")} <= there


FILE = '''\
"""A module."""

import functools

LIMIT = 3


class Counter:
    """Counts."""

    @functools.cache
    def up(self, by=1):
        # A comment.
        return (
            self.start
            + by
        )


def up(by):
    return by + 1
'''

ADD = Mutant("it subtracts", "Counter.up", "self.start + by", "self.start - by", ("t.py",), "list")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    (tmp_path / "package" / "inner" / "a.py").write_text(FILE)
    (tmp_path / "package" / "b.py").write_text("def other():\n    return 1\n")
    return Sources(tmp_path / "package")


def test_an_edit_changes_its_function_and_nothing_else(sources: Sources) -> None:
    path, text = sources.apply(ADD)
    assert path.name == "a.py"
    expected = FILE.replace("            self.start\n            + by\n", "self.start - by")
    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(expected))
    assert text.startswith(FILE[: FILE.index("    @functools")])
    assert text.endswith(FILE[FILE.index("\n\ndef up(by)") :])


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"where": "up"}, "is there 0 times"),
        ({"where": "Counter.down"}, "nothing in .* is called Counter.down"),
        ({"old": "self"}, "is there 2 times"),
        ({"new": "self.start + (by)"}, "nothing is changed"),
        ({"new": "self.start +"}, "invalid syntax"),
    ],
)
def test_what_fits_nowhere_or_twice_is_refused(
    sources: Sources, change: dict[str, str], refusal: str
) -> None:
    with pytest.raises(EditError, match=refusal):
        sources.apply(replace(ADD, **change))


def test_a_name_that_two_modules_have_is_told_apart_by_the_text(sources: Sources) -> None:
    other = sources.folder / "b.py"
    other.write_text("def up(by):\n    return by + 2\n")
    found = replace(ADD, where="up", old="by + 2", new="by + 3")
    assert Sources(sources.folder).apply(found) == (other, "def up(by):\n    return by + 3\n")
    with pytest.raises(EditError, match="is there 2 times"):
        Sources(sources.folder).apply(replace(found, old="by + "))


def test_constants_have_names_too(sources: Sources) -> None:
    _, text = sources.apply(replace(ADD, where="LIMIT", old="3", new="4"))
    assert "LIMIT = 4\n" in text


@pytest.mark.parametrize(
    "group",
    [
        'mutants = [["x", "f", "a", "b"]]',
        'killers = []\nmutants = [["x", "f", "a", "b"]]',
        'killers = ["t.py"]\nmutants = [["x", "f", "a", "b"]]\nmore = 1',
        'killers = ["t.py"]\nmutants = [["x", "f", "a"]]',
        'killers = ["t.py"]\nmutants = [["x", "f", "", "b"]]',
    ],
)
def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, group: str) -> None:
    (tmp_path / "some.toml").write_text(f"[[group]]\n{group}\n")
    with pytest.raises(EditError, match=r"some\.toml"):
        read_mutants(tmp_path)
