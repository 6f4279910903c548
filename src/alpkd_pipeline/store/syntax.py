"""The top-level statements of a Python file, each apart from the names of what it refers to.

Two statements have one meaning if they differ in docstrings, comments, layout, imports inside
functions and the names of what they define and refer to alone.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Names = dict[str, str | None]
"""What a scope binds: the dotted origin of an imported name, None for any other name."""

IMPORTS = (ast.Import, ast.ImportFrom)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
BY_TEXT = ("__import__", "eval", "exec", "globals", "importlib.import_module")
"""What finds things by names that are made when the program runs."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One top-level statement."""

    names: tuple[str, ...]  # what it binds
    meaning: str  # a hash of its syntax tree, in which what it refers to is counted, not named
    # what it refers to, in the order of that count: dotted origins; what belongs to this file
    # itself begins with a dot
    refers_to: tuple[str, ...]
    loose: bool  # whether it does more than to define its names


@dataclass(frozen=True, slots=True)
class FileSyntax:
    """A file: the dotted origins of what it imports, by name, and its other statements."""

    imports: dict[str, str]
    statements: tuple[Statement, ...]


def read_syntax(text: str, module: str, is_package: bool = False) -> FileSyntax:
    """Read a file; raises SyntaxError where it is no Python."""
    package = module if is_package else module.rpartition(".")[0]
    body = [node for node in ast.parse(text).body if not _is_text(node)]
    bound = [_bound([node], package) for node in body]
    top: Names = {name: f".{name}" for names in bound for name, at in names.items() if at is None}
    imports = {name: at for names in bound for name, at in names.items() if at is not None}
    imports = {name: at for name, at in sorted(imports.items()) if name not in top}
    found = []
    for node, names in zip(body, bound, strict=True):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            found.append(Statement((), "*", (_origin(node, package),), loose=True))
        elif not isinstance(node, IMPORTS) and not _is_for_types_alone(node):
            found.append(_statement(node, names, _Normaliser({**top, **imports}, package)))
    return FileSyntax(imports, tuple(found))


def _statement(node: ast.stmt, names: Names, normaliser: _Normaliser) -> Statement:
    own = tuple(name for name, at in names.items() if at is None)
    decorators = getattr(node, "decorator_list", [])
    loose = not (own and isinstance(node, DEFINITIONS))
    loose = loose or any(normaliser.is_of_the_project(each) for each in decorators)
    text = ast.dump(normaliser.visit(node))
    meaning = hashlib.sha256(text.encode()).hexdigest()
    return Statement(own, meaning, tuple(normaliser.refers_to), loose)


class _Normaliser(ast.NodeTransformer):
    """Replaces what a statement refers to by its number in `refers_to`, scope by scope."""

    def __init__(self, top: Names, package: str) -> None:
        self.refers_to: list[str] = []
        self._top = top
        self._package = package
        self._scopes: list[tuple[Names, bool]] = []  # the names, and whether a class binds them

    def is_of_the_project(self, node: ast.expr) -> bool:
        """Whether an expression begins with something of this package."""
        first = next((n.id for n in ast.walk(node) if isinstance(n, ast.Name)), "")
        origin = self._origin(first) or " "
        return origin.split(".")[0] in ("", self._package.split(".")[0])

    def visit_Name(self, node: ast.Name) -> ast.AST:
        origin = self._origin(node.id)
        return node if origin is None else self._number(origin, node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        chain, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            chain, inner = [inner.attr, *chain], inner.value
        origin = self._origin(inner.id) if isinstance(inner, ast.Name) else None
        if origin is None:
            return self.generic_visit(node)
        return self._number(".".join([origin, *chain]), node.ctx)

    def _number(self, origin: str, ctx: ast.expr_context = ast.Load()) -> ast.expr:  # noqa: B008
        if origin not in self.refers_to:
            self.refers_to.append(origin)
        return ast.Name(id=f" {self.refers_to.index(origin)}", ctx=ctx)

    def _origin(self, name: str) -> str | None:
        for depth, (names, of_class) in enumerate(reversed(self._scopes)):
            if name in names and not (of_class and depth):
                return names[name]
        return self._top.get(name, name if name in BY_TEXT else None)

    def visit_FunctionDef(self, node: Any) -> ast.AST:
        node.decorator_list = self._all(node.decorator_list)
        node.returns = self._all(node.returns)
        self._outside(node.args)
        return self._inside(node, [node.args, *node.body], of_class=False)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = self._all(node.decorator_list)
        node.bases, node.keywords = self._all(node.bases), self._all(node.keywords)
        return self._inside(node, node.body, of_class=True)

    def _inside(self, node: Any, binding: Sequence[ast.AST], *, of_class: bool) -> ast.AST:
        if not self._scopes:
            node.name = ""
        self._scopes.append((_bound(binding, self._package), of_class))
        node.body = self._all(_without_imports(node.body))
        self._scopes.pop()
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._outside(node.args)
        self._scopes.append((_bound([node.args, node.body], self._package), False))
        node.body = self.visit(node.body)
        self._scopes.pop()
        return node

    def _outside(self, arguments: ast.arguments) -> None:
        """What stands in a function's head belongs to the scope around it."""
        for each in ast.walk(arguments):
            if isinstance(each, ast.arg):
                each.annotation = self._all(each.annotation)
        arguments.defaults = self._all(arguments.defaults)
        arguments.kw_defaults = self._all(arguments.kw_defaults)

    def _comprehension(self, node: Any) -> ast.AST:
        first = node.generators[0]
        outside = self.visit(first.iter)
        first.iter = ast.Constant(None)
        targets = [each.target for each in node.generators]
        self._scopes.append((_bound(targets, self._package), False))
        self.generic_visit(node)
        self._scopes.pop()
        first.iter = outside
        return node

    visit_ListComp = visit_SetComp = _comprehension  # noqa: N815
    visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> ast.AST:
        """One in a block at top level: which of several runs is not known, so each counts."""
        origins = dict.fromkeys(_bound([node], self._package).values())
        return ast.Expr(ast.List([self._number(at or "") for at in origins], ast.Load()))

    visit_ImportFrom = visit_Import  # noqa: N815

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if self._scopes and block and isinstance(block, list):
                setattr(node, name, _without_imports(block))
        return super().generic_visit(node)

    def _all(self, found: Any) -> Any:
        if isinstance(found, list):
            return [each and self.visit(each) for each in found]
        return found and self.visit(found)


def _bound(nodes: Iterable[ast.AST], package: str) -> Names:
    """What statements bind in their own scope."""
    found = list(_bindings(nodes, package))
    elsewhere = {name for name, origin in found if origin == ""}
    return {name: origin for name, origin in found if name not in elsewhere}


def _bindings(nodes: Iterable[ast.AST], package: str) -> Iterator[tuple[str, str | None]]:
    """Each name with its origin: None if it is not imported, "" if `global` says elsewhere."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (root, root)
                yield alias.name, alias.name  # what runs; with a dot in it, no name is meant
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{_origin(node, package)}.{alias.name}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, None
        elif isinstance(node, COMPREHENSIONS):
            walrus = [n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
            yield from _bindings(walrus, package)
        elif not isinstance(node, ast.Lambda):
            yield from _own_bindings(node)
            yield from _bindings(ast.iter_child_nodes(node), package)


def _own_bindings(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield from ((name, "") for name in node.names)
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id, None
    elif isinstance(node, ast.arg):
        yield node.arg, None
    elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name, None
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest, None


def _origin(node: ast.ImportFrom, package: str) -> str:
    """The dotted name of the module that names are imported from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _without_imports(block: list[ast.stmt]) -> list[ast.stmt]:
    kept = [node for node in block if not _is_text(node) and not isinstance(node, IMPORTS)]
    return kept or [ast.Pass()]


def _is_text(node: ast.AST) -> bool:
    """Docstrings, and texts that stand below what they describe."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _is_for_types_alone(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING"
        and not node.orelse
        and all(isinstance(each, IMPORTS) for each in node.body)
    )
