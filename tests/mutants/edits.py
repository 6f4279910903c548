"""Mistakes on purpose: which function each one is in, what it changes, and which tests notice.

A list is a TOML file beside this one, of groups that the same tests notice:

    [[group]]
    killers = ["tests/...::test_..."]
    mutants = [["what is wrong now, in one line", "Class.method", "old text", "new text"]]

The name is that of a function, a class or a module's constant, wherever it lies in src; the old
text is a part of its definition as `ast.unparse` lays it out. So layout, comments and the file do
not count, and an edit survives a move and a reformatting. It must fit in one place only: a name
that several modules have is told apart by the text.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LISTS = Path(__file__).parent

FIELDS = {"killers", "mutants"}

Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class EditError(ValueError):
    """An edit that fits nowhere or in several places, or a list that cannot be read."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake.

    Attributes:
        means: the mistake in words.
        where: the name of the definition, `Class.method` for a method.
        old: the text that is replaced.
        new: what stands there instead.
        killers: pytest's node ids of tests of which at least one must fail.
        subject: the list that it is from.
    """

    means: str
    where: str
    old: str
    new: str
    killers: tuple[str, ...]
    experiment_inputs: str

    def __str__(self) -> str:
        return f"{self.experiment_inputs}: {self.means} ({self.where})"


def read_mutants(folder: Path = LISTS) -> list[Mutant]:
    """The mutants of all lists of a folder.

    Raises:
        EditError: something lacks, or is there and not known.
    """
    found = []
    for path in sorted(folder.glob("*.toml")):
        for group in tomllib.loads(path.read_text("utf-8"))["group"]:
            if set(group) != FIELDS or not all(group.values()):
                raise EditError(f"{path.name}: {group} needs killers and mutants, no more")
            for row in group["mutants"]:
                if len(row) != 4 or not all(row[:3]):
                    raise EditError(f"{path.name}: {row} is no mistake, name, old and new text")
                found.append(Mutant(*row, tuple(group["killers"]), path.stem))
    return found


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, class or constant and the file that it stands in."""

    path: Path
    node: Node

    @property
    def text(self) -> str:
        """Its source as `ast.unparse` lays it out."""
        return ast.unparse(self.node)


class Sources:
    """The definitions of a folder of modules by their qualified names, outside of any module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Definition]]:
        found = defaultdict(list)
        for path in sorted(self.folder.rglob("*.py")):
            for name, node in _definitions(ast.parse(path.read_text("utf-8")).body):
                found[name].append(Definition(path, node))
        return found

    def find(self, mutant: Mutant) -> Definition:
        """The one definition that an edit fits.

        Raises:
            EditError: there is none, or several, or the text stands in it more than once.
        """
        known = self._by_name.get(mutant.where, ())
        if not known:
            raise EditError(f"{mutant}: nothing in {self.folder} is called {mutant.where}")
        fitting = [found for found in known if mutant.old in found.text]
        if len(fitting) != 1 or fitting[0].text.count(mutant.old) != 1:
            count = sum(found.text.count(mutant.old) for found in fitting)
            texts = "\n\n".join(f"# {found.path}\n{found.text}" for found in known)
            raise EditError(f"{mutant}: {mutant.old!r} is there {count} times, not once:\n{texts}")
        return fitting[0]

    def apply(self, mutant: Mutant) -> tuple[Path, str]:
        """The file that a mutant changes, and its new text.

        Raises:
            EditError: as `find`; or the edit changes nothing, or makes no Python.
        """
        found = self.find(mutant)
        edited = found.text.replace(mutant.old, mutant.new)
        try:
            changed = ast.parse(edited).body
        except SyntaxError as error:
            raise EditError(f"{mutant}: {error} in\n{edited}") from None
        if list(map(ast.dump, changed)) == [ast.dump(found.node)]:
            raise EditError(f"{mutant}: nothing is changed")
        lines = found.path.read_text("utf-8").splitlines(keepends=True)
        first, last, indent = _place(found.node)
        lines[first - 1 : last] = [textwrap.indent(edited, " " * indent) + "\n"]
        return found.path, "".join(lines)


def _definitions(body: Sequence[ast.stmt], above: str = "") -> Iterator[tuple[str, Node]]:
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((above + t.id, node) for t in targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield above + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node.body, f"{above}{node.name}.")


def _place(node: Node) -> tuple[int, int, int]:
    """First and last line of a definition with its decorators, and its indentation."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    return first, node.end_lineno or node.lineno, node.col_offset
