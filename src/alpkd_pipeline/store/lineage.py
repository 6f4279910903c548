"""Whether the keys that folders carry fit together, and which command makes a key again."""

from __future__ import annotations

import os
import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store import layout
from alpkd_pipeline.store.artifact import lacking, same_result
from alpkd_pipeline.store.contents import (
    Finding,
    State,
    UnreadableError,
    made_again,
    read_sealed,
)
from alpkd_pipeline.store.diff import block
from alpkd_pipeline.store.manifest import MANIFEST
from alpkd_pipeline.store.run_folder import RUN_CONFIG, Damage, DamagedError, RunFolder


@dataclass(frozen=True)
class Result:
    """A published folder without the list of its files."""

    entry: layout.Entry  # where it lies
    name: str  # its path, relative to the store
    stage: str
    key: str
    facts: Mapping[str, Any]  # what its manifest says beside the files
    bytes: int  # of all files that the manifest lists
    lacks: Sequence[str] = ()  # files that its stage demands and that it was sealed without

    @property
    def made_from(self) -> Mapping[str, str]:
        """The keys of what it was made from, by stage."""
        return block(self.facts, "made_from")

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """Its run.json; empty if that cannot be read, which its hash shows."""
        return RunFolder(self.entry.path).unchecked_run

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of everything above it and its own, as run.json has them."""
        if self.entry.kind.name == layout.COMPARISON:
            return {"comparison": self.run.get(layout.COMPARED, self.key)}
        return keys_in(self.run)

    @property
    def command(self) -> str:
        """The command that repeats it, of a training."""
        return str(self.run.get("command") or "")

    def finding(self, state: State, what: str, do: str) -> Finding:
        """Something to say of it."""
        return Finding(state, self.entry.kind.name, self.name, what, do)


def keys_in(run: Mapping[str, Any]) -> Mapping[str, str]:
    """The keys of everything above a result and its own, as its run.json has them."""
    return block(block(run, "identity"), "keys")


def disagreements(result: Result) -> Iterator[str]:
    """What in one folder contradicts another thing in it."""
    kind, facts = result.entry.kind, result.facts
    if unsaid := {"stage", "key", "made_from"} - set(facts):
        yield f"{MANIFEST} does not say {', '.join(sorted(unsaid))}"
        return
    if result.stage not in kind.stages:
        yield f"{MANIFEST} speaks of stage '{result.stage}', in a folder of {kind.name}"
    if result.lacks:
        yield f"it was finished without {', '.join(result.lacks)}, which every {result.stage} holds"
    if not result.run:
        return
    said = {result.stage: result.key, **result.made_from}
    for stage, key in said.items():
        if result.keys.get(stage) != key:
            other = str(result.keys.get(stage))[:8]
            yield f"{MANIFEST} has {key[:8]} as key of '{stage}', {RUN_CONFIG} has {other}"


def wrong_names(results: Sequence[Result]) -> Iterator[Finding]:
    """Folders whose names end with other digits than their keys begin with. A folder may be called
    anything; it is bad if its name promises another result."""
    known = {key[:8] for r in results for key in (r.key, *map(str, r.made_from.values()))}
    for result in results:
        key8 = result.entry.key8
        if key8 is None or "key" not in result.facts or result.key.startswith(key8):
            continue
        what = f"its name ends with {key8}, its key begins with {result.key[:8]}"
        if key8 in known:
            do = f"give it a name that ends with -{result.key[:8]}"
            yield result.finding("mismatched", what, do)
        else:
            yield result.finding("renamed", what, "harmless, it is found by its key")


def wrong_inputs(result: Result, by_path: Mapping[Path, Result]) -> Iterator[str]:
    """Inputs whose place now holds another key than the one that was read, which is nowhere."""
    for name, place in block(result.run, "inputs").items():
        found = by_path.get(Path(os.path.normpath(result.entry.path / str(place))))
        wanted = result.made_from.get(found.stage) if found else None
        if found is None or wanted in (None, found.key):
            continue
        # Whoever looks for it goes by the key, whatever the folder is called.
        if not any(r.key == wanted and r.stage == found.stage for r in by_path.values()):
            yield (
                f"it was made from {found.stage} {wanted[:8]}, and its input '{name}' leads to"
                f" {found.name} with key {found.key[:8]}"
            )


def copies(results: Sequence[Result]) -> Iterator[Finding]:
    """Folders with the key of another one."""
    by_key: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        by_key[result.stage, result.key].append(result)
    for same in by_key.values():
        # Those whose names carry the key are found first.
        first, *others = sorted(same, key=lambda r: (r.entry.key8 != r.key[:8], r.name))
        for other in others:
            what = f"it has the key of {first.name}"
            if same_result(first.entry.path, other.entry.path):
                do = "harmless, one of the two is used"
                yield other.finding("copied", f"{what} and the same contents", do)
            else:
                do = "keep one of the two"
                yield other.finding("mismatched", f"{what} and other contents", do)


def orphans(results: Sequence[Result]) -> Iterator[Finding]:
    """Keys that something was made from and that are not in the store: one finding for each."""
    there = {(result.stage, result.key) for result in results}
    children: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        for upstream in result.made_from.items():
            if upstream not in there:
                children[upstream].append(result)
    for (stage, key), made in children.items():
        more = f" and {len(made) - 1} more" if len(made) > 1 else ""
        what = f"made from {stage} {str(key)[:8]}, which is not in the store{more}"
        do = "harmless; it is made again when something has to read it"
        yield made[0].finding("orphaned", what, do)


@dataclass(frozen=True, slots=True)
class Index:
    """What a store holds."""

    store: Path  # the folder of all results
    results: tuple[Result, ...]  # the published folders
    others: tuple[layout.Entry, ...]  # everything else in the places of results
    unreadable: tuple[Finding, ...]  # folders with a manifest that does not hold


def read_index(store: Path) -> Index:
    """Read every manifest of a store."""
    results, others, unreadable = list[Result](), list[layout.Entry](), list[Finding]()
    for entry in layout.entries(store):
        if entry.state != "published":
            others.append(entry)
            continue
        name = os.path.relpath(entry.path, store)
        try:
            facts = read_sealed(entry.path)
        except UnreadableError as error:
            if entry.path.exists():  # else it was renamed or removed just now
                do, kind = made_again(entry.path, UNKNOWN), entry.kind.name
                what = f"{MANIFEST}: {error}"
                unreadable.append(Finding("damaged", kind, name, what, do, MANIFEST))
            continue
        files = facts.pop("files")
        size = sum(int(file["bytes"]) for file in files.values())
        stage, key = str(facts.get("stage")), str(facts.get("key"))
        results.append(Result(entry, name, stage, key, facts, size, lacking(stage, files)))
    return Index(store, tuple(results), tuple(others), tuple(unreadable))


PIPELINES = {"evaluation": "evaluate", "latency": "evaluate", "geometry": "evaluate"} | {
    "onnx": "export",
    "export": "export",
    "teacher_onnx": "export_teacher",
    "teacher_export": "export_teacher",
}
"""Kinds that pipeline `distill`, which the commands of trainings name, does not make; and stages,
where those of the teacher have a pipeline of their own."""

UNKNOWN = "the command that made it"

Home = Callable[[str | None], Path]
"""Gives the store that a command writes to by its environment alone."""


class Repairs:
    """Knows which command made which key: from trainings, and from what sweeps asked for. `home`
    says where a command goes that names no store; without it none has to be named."""

    def __init__(self, index: Index, home: Home | None = None) -> None:
        self._index, self._home = index, home
        self._commands: dict[str, str] = {}
        for result in index.results:
            # Of what was trained from a key any command makes it again on its way.
            for key in result.keys.values() if result.command else ():
                self._commands.setdefault(str(key), result.command)
        for record in layout.sweep_records(index.store):
            for cell in record["cells"]:
                self._commands.setdefault(str(cell.get("key")), str(cell.get("command") or ""))

    def of(self, result: Result, *, trust_run: bool = True) -> str:
        """What makes a result again; its own run.json may be trusted if it is undamaged."""
        kind = result.entry.kind.name
        if kind == layout.COMPARISON:
            return self.placed("kedro run --pipeline=compare")
        keys: Mapping[str, str] = {**result.made_from, result.stage: result.key}
        if trust_run:
            keys = {**result.keys, **keys}
        # A model by its own key; what was measured of a model, by that of the model.
        for stage in (result.stage, "student", "teacher"):
            if found := self._commands.get(keys.get(stage, "")):
                pipeline = PIPELINES.get(result.stage) or PIPELINES.get(kind)
                return self.placed(with_pipeline(found, pipeline))
        return UNKNOWN

    def placed(self, command: str) -> str:
        """A command that writes to this store: it names the store if it would go elsewhere."""
        try:
            words = shlex.split(command)
        except ValueError:  # it may be what is damaged
            return command
        if self._home is None or words[:2] != ["kedro", "run"]:
            return command
        env = next((w.removeprefix("--env=") for w in words if w.startswith("--env=")), None)
        if self._home(env) == self._index.store.resolve():
            return command
        given = next((word for word in words if word.startswith("--params=")), "")
        place = f"run.store={self._index.store}"
        params = f"{given},{place}" if given else f"--params={place}"
        return shlex.join([*(word for word in words if word != given), params])

    def of_folder(self, folder: Path, kind: str, *, trust_run: bool = True) -> str:
        """What makes a folder again, also one whose manifest does not hold any more."""
        for result in self._index.results:
            if result.entry.path == folder:
                return self.of(result, trust_run=trust_run)
        # No manifest vouches for its own run.json any more: first the digits of keys in its name.
        named = (
            command
            for digits in reversed(re.findall(r"(?<=-)[0-9a-f]{8}(?=-|$)", folder.name))
            for key, command in self._commands.items()
            if command and key.startswith(digits)
        )
        own = RunFolder(folder).unchecked_run.get("command")
        command = next(named, None) or str(own or UNKNOWN)
        return self.placed(with_pipeline(command, PIPELINES.get(kind)))

    def again(self, result: Result, *, trust_run: bool = True) -> str:
        """What to type to have a result again."""
        return made_again(result.entry.path, self.of(result, trust_run=trust_run))


def with_pipeline(command: str, pipeline: str | None) -> str:
    """The command, by the pipeline that makes a kind; None: by its own."""
    return command.replace("--pipeline=distill", f"--pipeline={pipeline}") if pipeline else command


def with_commands(error: UserError, home: Home | None = None) -> UserError:
    """The same error; one that names damaged folders with the commands that make them again."""
    if not isinstance(error, DamagedError):
        return error
    repairs = cache(lambda store: Repairs(read_index(store), home))

    def remedy(damage: Damage) -> str:
        folder, command = damage.folder, UNKNOWN
        for kind in layout.ARTIFACT_TYPES:
            place = folder.parent if kind.name == layout.COMPARISON else folder.parent.parent
            if place.as_posix().endswith(f"/{kind.place}"):
                trust_run = damage.file != RUN_CONFIG
                command = repairs(place.parents[1]).of_folder(
                    folder, kind.name, trust_run=trust_run
                )
        return made_again(folder, command)

    return DamagedError(error.damages, map(remedy, error.damages))
