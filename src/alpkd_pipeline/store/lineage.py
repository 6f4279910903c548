"""Whether the keys that folders carry fit together: inside a folder, and between folders."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from alpkd_pipeline.store.artifact import lacking
from alpkd_pipeline.store.by_key import same_result
from alpkd_pipeline.store.contents import Sealed, UnreadableError, read_sealed
from alpkd_pipeline.store.findings import Finding
from alpkd_pipeline.store.layout import COMPARISON, Entry, entries
from alpkd_pipeline.store.manifest import MANIFEST, read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG

COMPARED = "compared"
"""Entry of a comparison's run.json that holds its key."""


@dataclass(frozen=True)
class Result:
    """A published folder without the list of its files.

    Attributes:
        entry: where it lies.
        name: its path, relative to the store.
        facts: what its manifest says beside the files.
        lacks: files that its stage demands and that it was sealed without.
    """

    entry: Entry
    name: str
    facts: Mapping[str, Any]
    lacks: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: Entry, sealed: Sealed, store: Path) -> Result:
        """The result of a sealed folder."""
        missing = lacking(str(sealed.facts.get("stage")), sealed.files)
        return cls(entry, os.path.relpath(entry.path, store), sealed.facts, tuple(missing))

    @property
    def key(self) -> str:
        """Its key."""
        return str(self.facts.get("key"))

    @property
    def stage(self) -> str:
        """Its stage."""
        return str(self.facts.get("stage"))

    @property
    def made_from(self) -> Mapping[str, str]:
        """The keys of what it was made from, by stage."""
        found = self.facts.get("made_from")
        return found if isinstance(found, dict) else {}

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """Its run.json; empty if that cannot be read, which its hash shows."""
        try:
            found = read_json(self.entry.path / RUN_CONFIG)
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of everything above it and its own, as run.json has them."""
        if self.entry.kind.name == COMPARISON:
            return {"comparison": self.run.get(COMPARED, self.key)}
        identity = self.run.get("identity")
        found = identity.get("keys") if isinstance(identity, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def command(self) -> str:
        """The command that repeats it, of a training."""
        return str(self.run.get("command") or "")


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


def wrong_names(results: Iterable[Result]) -> Iterator[Finding]:
    """Folders whose names end with other digits than their keys begin with.

    A folder may be called anything; it is bad if its name promises another result.
    """
    results = list(results)
    known = {key[:8] for r in results for key in (r.key, *map(str, r.made_from.values()))}
    for result in results:
        key8, kind = result.entry.key8, result.entry.kind
        if key8 is None or "key" not in result.facts or result.key.startswith(key8):
            continue
        what = f"its name ends with {key8}, its key begins with {result.key[:8]}"
        if key8 in known:
            do = f"give it a name that ends with -{result.key[:8]}"
            yield Finding("mismatched", kind.name, result.name, what, do)
        else:
            do = "harmless, it is found by its key"
            yield Finding("renamed", kind.name, result.name, what, do)


def wrong_inputs(result: Result, by_path: Mapping[Path, Result]) -> Iterator[str]:
    """Inputs whose place now holds another key than the one that was read, which is nowhere."""
    inputs = result.run.get("inputs")
    for name, place in inputs.items() if isinstance(inputs, dict) else []:
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
        first, *others = sorted(same, key=lambda r: (not _carries_its_key(r), r.name))
        for other in others:
            kind, what = other.entry.kind.name, f"it has the key of {first.name}"
            if same_result(first.entry.path, other.entry.path):
                do = "harmless, one of the two is used"
                yield Finding("copied", kind, other.name, f"{what} and the same contents", do)
            else:
                what = f"{what} and other contents"
                yield Finding("mismatched", kind, other.name, what, "keep one of the two")


def _carries_its_key(result: Result) -> bool:
    return result.entry.key8 is not None and result.key.startswith(result.entry.key8)


def orphans(results: Iterable[Result]) -> Iterator[Finding]:
    """Keys that something was made from and that are not in the store: one finding for each."""
    results = list(results)
    there = {(result.stage, result.key) for result in results}
    children: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        for upstream in result.made_from.items():
            if upstream not in there:
                children[upstream].append(result)
    for (stage, key), made in children.items():
        more = f" and {len(made) - 1} more" if len(made) > 1 else ""
        yield Finding(
            state="orphaned",
            kind=made[0].entry.kind.name,
            folder=made[0].name,
            what=f"made from {stage} {str(key)[:8]}, which is not in the store{more}",
            do="harmless; it is made again when something has to read it",
        )


@dataclass(frozen=True, slots=True)
class Index:
    """What a store holds.

    Attributes:
        store: the folder of all results.
        results: the published folders.
        others: everything else in the places of results.
        unreadable: folders with a manifest that does not hold.
        bytes: of all files that manifests list, by folder.
    """

    store: Path
    results: tuple[Result, ...]
    others: tuple[Entry, ...]
    unreadable: tuple[Finding, ...]
    bytes: dict[Path, int]


def read_index(store: Path) -> Index:
    """Read every manifest of a store.

    Args:
        store: the folder of all results.
    """
    results, others, unreadable, sizes = list[Result](), list[Entry](), list[Finding](), {}
    for entry in entries(store):
        if entry.state != "published":
            others.append(entry)
            continue
        try:
            sealed = read_sealed(entry.path)
        except UnreadableError as error:
            if entry.path.exists():  # else it was renamed or removed just now
                unreadable.append(_unreadable(entry, store, str(error)))
            continue
        results.append(Result.of(entry, sealed, store))
        sizes[entry.path] = sealed.bytes
    return Index(store, tuple(results), tuple(others), tuple(unreadable), sizes)


def _unreadable(entry: Entry, store: Path, why: str) -> Finding:
    return Finding(
        state="damaged",
        kind=entry.kind.name,
        folder=os.path.relpath(entry.path, store),
        what=f"{MANIFEST}: {why}",
        do=f"rm -r {shlex.quote(str(entry.path))}, then the command that made it",
        file=MANIFEST,
    )
