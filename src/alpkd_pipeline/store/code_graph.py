"""Which definitions of this project a function reaches, and a hash of what they do.

The graph goes from each top-level function, class and assignment to those that it refers to. Its
hash knows no names and no files: moving, merging and renaming keep it. A changed body, a changed
constant and a reference to another thing of the same name move it. What files mean is remembered
until they change: parsing a few dozen takes longer than all else that a start without work does.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from importlib.util import cache_from_source
from itertools import accumulate
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_object, write_json
from alpkd_pipeline.store.syntax import BY_TEXT, FileSyntax, Statement, read_syntax

FORMAT = 2
"""Rises with what `syntax` reads of a file."""


class CodeFacts:
    """What files mean, from memory, from a cache file, or from parsing them."""

    def __init__(self, cache_file: Path | None) -> None:
        """Read what is remembered in a JSON file; a broken one costs time only, None remembers
        nothing."""
        self._cache_file = cache_file
        self._known = read_object(cache_file) if cache_file else {}
        self._new = False

    def of(self, path: Path, module: str) -> FileSyntax:
        """A file as it is now, the file of a dotted name."""
        stat = path.stat()
        # Editors and copies may keep size and time of modification, not inode and time of change.
        # Syntax trees are dumped differently by different Pythons.
        times, python = [stat.st_mtime_ns, stat.st_ctime_ns], list(sys.version_info[:2])
        stamp = [FORMAT, module, *times, stat.st_size, stat.st_ino, python]
        found = _remembered(self._known.get(str(path)), stamp)
        if found is None:
            found = _parse(path, module, repr(stamp))
            drop_stale_bytecode(path)
            self._known[str(path)] = {"stamp": stamp, "syntax": asdict(found)}
            self._new = True
        return found

    def save(self) -> None:
        """Write the cache file if something new was learnt."""
        if self._new and self._cache_file is not None:
            with suppress(OSError):  # not writable: parse again next time
                write_json(self._cache_file, self._known)
                self._new = False


@lru_cache(maxsize=4096)  # for one process with several stores
def _parse(path: Path, module: str, stamp: str) -> FileSyntax:
    return read_syntax(path.read_text("utf-8"), module, is_package=path.stem == "__init__")


def _remembered(known: Any, stamp: list[Any]) -> FileSyntax | None:
    try:
        if known["stamp"] != stamp:
            return None
        statements = [
            Statement(tuple(s["names"]), s["meaning"], tuple(s["refers_to"]), s["loose"])
            for s in known["syntax"]["statements"]
        ]
        return FileSyntax(dict(known["syntax"]["imports"]), tuple(statements))
    except (TypeError, KeyError, ValueError):
        return None


def drop_stale_bytecode(path: Path) -> None:
    """Remove what Python compiled of a file before its last change, if Python would still run it,
    by size and seconds of modification alone: the key would be that of the new code, the result
    that of the old. Raises UserError where this process has imported the old code."""
    compiled, stat = Path(cache_from_source(str(path))), path.stat()
    try:
        data = compiled.read_bytes()
        taken = data[4:8] == bytes(4) and data[8:16] == struct.pack(
            "<II", int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF
        )
        if not taken or marshal.loads(data[16:]) == compile(
            path.read_bytes(), str(path), "exec", dont_inherit=True
        ):
            return
        compiled.unlink()
    except (OSError, ValueError, EOFError, TypeError):
        return  # there is none, or none that Python would take
    names = [getattr(module, "__dict__", {}).get("__file__") for module in [*sys.modules.values()]]
    if str(path) in names:
        raise UserError(
            f"{path} was changed without a trace in its size and time, so that Python ran what it"
            " had compiled before: run the same command again"
        )


WHOLE, LOOSE, LEFT_OUT = "*", "()", "left out"


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition; or by the names above all of a module, or what runs when it is imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class CodeGraph:
    """The definitions of one package."""

    def __init__(self, root: Path, facts: CodeFacts, leave_out: Iterable[str] = ()) -> None:
        """Take the package in `root`, a folder of its name; `facts` reads its files. `leave_out`
        are dotted names of definitions or modules that change no result, or tables of which the
        caller hashes the row that is used; `name.*` is all below a package."""
        self._root, self._facts, self._leave_out = root, facts, tuple(leave_out)
        self._file, self._runs = cache(self._read), cache(self._effects)

    def digest(self, entries: Iterable[str]) -> str:
        """A hash of what some definitions do, with all that they reach; LookupError without one."""
        content = list(self.reached(entries).values())
        self._facts.save()
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def reached(self, entries: Iterable[str]) -> dict[Definition, Any]:
        """What some definitions depend on, each place with its content, in the order in which
        references lead to it."""
        waiting = list(dict.fromkeys(self._entry(name) for name in entries))
        number = {place: n for n, place in enumerate(waiting)}
        found: dict[Definition, Any] = {}

        def counted(target: Definition | str) -> int | str:
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
            runs = () if place.name == LOOSE else self._runs(place.module)
            found[place] = [content, [counted(Definition(module, LOOSE)) for module in runs]]
        return found

    def _entry(self, name: str) -> Definition:
        target, rest = self._resolve(name, left_out=False)
        if not isinstance(target, Definition) or target.name == WHOLE or rest:
            raise LookupError(f"there is no definition {name}")
        return target

    def _statements(self, place: Definition) -> list[Statement]:
        file = self._file(place.module)
        if file is None:
            return []
        if place.name == WHOLE:
            imported = Statement(tuple(file.imports), "", tuple(file.imports.values()), loose=False)
            return [*file.statements, imported]
        if place.name == LOOSE:
            return [each for each in file.statements if each.loose]
        return [each for each in file.statements if place.name in each.names]

    def _targets(self, module: str, statement: Statement) -> Iterator[tuple[Definition | str, str]]:
        for name in statement.refers_to:
            yield self._resolve(f"{module}{name}" if name.startswith(".") else name)
        if not set(BY_TEXT).isdisjoint(statement.refers_to):
            yield Definition(module, WHOLE), ""

    def _resolve(self, name: str, *, left_out: bool = True) -> tuple[Definition | str, str]:
        """Where a dotted name is defined and what of it is meant, or the name if it is elsewhere;
        one that cannot be found stands for its whole module."""
        module, *parts = name.split(".")
        if module != self._root.name:
            return name, ""
        while parts:
            file = self._file(module)
            own, rest = parts[0], parts[1:]
            if file is not None and any(own in each.names for each in file.statements):
                found, name = Definition(module, own), ".".join(rest)
                break
            origin = file.imports.get(own, "") if file is not None else ""
            if origin not in ("", f"{module}.{own}"):
                return self._resolve(".".join([origin, *rest]), left_out=left_out)
            if self._file(f"{module}.{own}") is None:
                found, name = Definition(module, WHOLE), ".".join(parts)
                break
            module, parts = f"{module}.{own}", rest
        else:
            found, name = Definition(module, WHOLE), ""
        return (LEFT_OUT, "") if left_out and self._is_left_out(found) else (found, name)

    def _is_left_out(self, place: Definition) -> bool:
        return any(
            out in (place.module, str(place))
            or (out.endswith(".*") and f"{place.module}.".startswith(out[:-1]))
            for out in self._leave_out
        )

    def _effects(self, module: str) -> list[str]:
        """Where statements run, besides definitions, when a module is imported."""
        found = [module]
        for each in found:  # it grows meanwhile
            found += [name for name in self._imported(each) if name not in found]
        files = {name: self._file(name) for name in found}
        return [n for n, f in files.items() if f and any(s.loose for s in f.statements)]

    def _imported(self, module: str) -> list[str]:
        """The modules that a module imports, with the packages that they and it lie in."""
        file = self._file(module)
        names = [module, *(file.imports.values() if file else ())]
        above = (at for name in names for at in accumulate(name.split("."), "{}.{}".format))
        return [
            at
            for at in dict.fromkeys(above)
            if self._file(at) and not self._is_left_out(Definition(at, WHOLE))
        ]

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
