"""Identifiers speak the field's language: scripts/words.toml says how, and what is exempt."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/alpkd_pipeline"
LIST = tomllib.loads((ROOT / "scripts/words.toml").read_text(encoding="utf-8"))
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def defined(tree: ast.Module) -> Iterator[str]:
    """The names of classes, functions, parameters, attributes, fields and constants."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.arg(arg=name) if name not in ("self", "cls"):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
        if isinstance(node, ast.Module | ast.ClassDef):
            for statement in node.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                if isinstance(statement, ast.AnnAssign):
                    targets = [statement.target]
                yield from (target.id for target in targets if isinstance(target, ast.Name))


def words(name: str) -> set[str]:
    return {part.lower() for part in PART.findall(name)} & set(LIST["instead"])


@pytest.fixture(scope="module")
def definitions() -> dict[str, set[str]]:
    """Each name with such a word, and the files that define it."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        file = path.relative_to(SOURCE).as_posix()
        for name in {path.stem, *defined(ast.parse(path.read_text(encoding="utf-8")))}:
            if words(name):
                found.setdefault(name, set()).add(file)
    return found


def test_no_definition_speaks_a_dialect(definitions: dict[str, set[str]]) -> None:
    exempt = LIST["exceptions"].keys() | {*LIST["later"]["names"]}
    wrong = [
        f"{file}: {name} ({'; '.join(LIST['instead'][word] for word in sorted(words(name)))})"
        for name, files in sorted(definitions.items())
        for file in sorted(files)
        if name not in exempt and f"{file}: {name}" not in exempt
    ]
    assert wrong == [], (
        "say instead what stands behind each, or give a reason in scripts/words.toml"
    )


def test_every_exception_is_needed_and_has_a_reason(definitions: dict[str, set[str]]) -> None:
    here = {*definitions, *(f"{f}: {name}" for name, files in definitions.items() for f in files)}
    assert {*LIST["exceptions"], *LIST["later"]["names"]} - here == set()
    assert [name for name, why in LIST["exceptions"].items() if len(why.split()) < 2] == []


def test_a_dialect_would_be_found() -> None:
    tree = ast.parse("def _facts(told): self.heard = 1\nclass DevAnswers: found: int\nSAID = 2")
    assert {word for name in defined(tree) for word in words(name)} == {
        "facts", "told", "heard", "answers", "found", "said",
    }  # fmt: skip
