"""Which definitions of this project a function reaches, and a hash of what they do.

The graph goes from each top-level function, class and assignment to those that it refers to. Its
hash knows no names and no files: moving, merging and renaming keep it. A changed body, a changed
constant and a reference to another thing of the same name move it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.runs.code_facts import CodeFacts
from alpkd_pipeline.runs.syntax import BY_TEXT, FileSyntax, Statement

WHOLE, LOOSE, LEFT_OUT = "*", "()", "left out"


@dataclass(frozen=True, slots=True)
class Place:
    """A definition; or by the names above all of a module, or what runs when it is imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class CodeGraph:
    """The definitions of one package."""

    def __init__(self, root: Path, facts: CodeFacts, leave_out: Iterable[str] = ()) -> None:
        """Take a package.

        Args:
            root: its folder, named as it is.
            facts: reads its files; one with a cache spares parsing them at each start.
            leave_out: dotted names of definitions or modules that change no result, or tables of
                which the caller hashes the row that is used; `name.*` is all below a package.
        """
        self._root = root
        self._facts = facts
        self._leave_out = tuple(leave_out)
        self._files: dict[str, FileSyntax | None] = {}
        self._runs: dict[str, list[str]] = {}

    def digest(self, entries: Iterable[str]) -> str:
        """A hash of what some definitions do, with all that they reach.

        Args:
            entries: dotted names.

        Raises:
            LookupError: there is no such definition.
        """
        content = list(self._reached(entries).values())
        self._facts.save()
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def reached(self, entries: Iterable[str]) -> list[Place]:
        """What the digest of some definitions depends on."""
        return list(self._reached(entries))

    def _reached(self, entries: Iterable[str]) -> dict[Place, Any]:
        """Each place with its content, in the order in which references lead to it."""
        waiting = list(dict.fromkeys(self._entry(name) for name in entries))
        number = {place: n for n, place in enumerate(waiting)}
        found: dict[Place, Any] = {}

        def counted(target: Place | str) -> int | str:
            if isinstance(target, str):
                return target
            if target not in number:
                number[target] = len(number)
                waiting.append(target)
            return number[target]

        for place in waiting:  # it grows meanwhile
            content: list[Any] = [
                [
                    statement.meaning,
                    statement.names if place.name == WHOLE else (),
                    [(counted(t), rest) for t, rest in self._targets(place.module, statement)],
                ]
                for statement in self._statements(place)
            ]
            runs = () if place.name == LOOSE else self._effects(place.module)
            found[place] = [content, [counted(Place(module, LOOSE)) for module in runs]]
        return found

    def _entry(self, name: str) -> Place:
        target, rest = self._resolve(name, left_out=False)
        if not isinstance(target, Place) or target.name == WHOLE or rest:
            raise LookupError(f"there is no definition {name}")
        return target

    def _statements(self, place: Place) -> list[Statement]:
        file = self._file(place.module)
        if file is None:
            return []
        if place.name == WHOLE:
            imported = Statement(tuple(file.imports), "", tuple(file.imports.values()), loose=False)
            return [*file.statements, imported]
        if place.name == LOOSE:
            return [each for each in file.statements if each.loose]
        return [each for each in file.statements if place.name in each.names]

    def _targets(self, module: str, statement: Statement) -> Iterator[tuple[Place | str, str]]:
        for name in statement.refers_to:
            yield self._resolve(f"{module}{name}" if name.startswith(".") else name)
        if not set(BY_TEXT).isdisjoint(statement.refers_to):
            yield Place(module, WHOLE), ""

    def _resolve(self, name: str, *, left_out: bool = True) -> tuple[Place | str, str]:
        """Where a dotted name is defined and what of it is meant, or the name if it is elsewhere.

        A name that cannot be found stands for its whole module.
        """
        module, *parts = name.split(".")
        if module != self._root.name:
            return name, ""
        while parts:
            file = self._file(module)
            own, rest = parts[0], parts[1:]
            if file is not None and any(own in each.names for each in file.statements):
                found, name = Place(module, own), ".".join(rest)
                break
            origin = file.imports.get(own, "") if file is not None else ""
            if origin not in ("", f"{module}.{own}"):
                return self._resolve(".".join([origin, *rest]), left_out=left_out)
            if self._file(f"{module}.{own}") is None:
                found, name = Place(module, WHOLE), ".".join(parts)
                break
            module, parts = f"{module}.{own}", rest
        else:
            found, name = Place(module, WHOLE), ""
        return (LEFT_OUT, "") if left_out and self._is_left_out(found) else (found, name)

    def _is_left_out(self, place: Place) -> bool:
        return any(
            out in (place.module, str(place))
            or (out.endswith(".*") and f"{place.module}.".startswith(out[:-1]))
            for out in self._leave_out
        )

    def _effects(self, module: str) -> list[str]:
        """Where statements run, besides definitions, when a module is imported."""
        if module not in self._runs:
            found = [module]
            for each in found:  # it grows meanwhile
                found += [name for name in self._imported(each) if name not in found]
            files = {name: self._file(name) for name in found}
            self._runs[module] = [
                n for n, f in files.items() if f and any(s.loose for s in f.statements)
            ]
        return self._runs[module]

    def _imported(self, module: str) -> list[str]:
        """The modules that a module imports, with the packages that they and it lie in."""
        file = self._file(module)
        names = [module, *(file.imports.values() if file else ())]
        found: dict[str, None] = {}
        for name in names:
            parts = name.split(".")
            for n in range(1, len(parts) + 1):
                above = ".".join(parts[:n])
                if self._file(above) and not self._is_left_out(Place(above, WHOLE)):
                    found[above] = None
        return list(found)

    def _file(self, module: str) -> FileSyntax | None:
        if module not in self._files:
            self._files[module] = self._read(module)
        return self._files[module]

    def _read(self, module: str) -> FileSyntax | None:
        package, *parts = module.split(".")
        base = self._root.joinpath(*parts)
        if package != self._root.name:
            return None
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return self._facts.of(path, module)
        # A folder without __init__ is a package too.
        return FileSyntax({}, ()) if base.is_dir() else None
