"""Many damages of one kind, each met by a command in a new process, and what becomes of them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.faults.clones import Hit, damaged, unnamed
from tests.faults.damage import DAMAGES
from tests.faults.forked_commands import start
from tests.faults.record import counted, times

from alpkd_pipeline.store.manifest import MANIFEST, read_manifest

TRIES = times(200)

Damage = Callable[[bytes, random.Random], bytes]
Hits = Callable[[Path], Sequence[tuple[Path, str]]]
Judge = Callable[[Path, int, str, Sequence[Hit]], Iterator[str]]


def folders(store: Path, place: str) -> list[Path]:
    """The finished folders of a place."""
    return sorted(path.parent for path in (store / place).glob(f"*/{MANIFEST}"))


def attempt(
    command: str,
    kind: str,
    stores: Sequence[Path],
    arguments: Callable[[Path], Sequence[str]],
    targets: Hits,
    judge: Judge,
    *,
    tries: int = TRIES,
) -> None:
    """Damage files, start the command on each store in a new process, and judge each damage."""
    name = re.sub(r"[^\w.]+", "-", f"damage-{command}-{kind}")
    fault = f"{tries} flips and {tries} truncations of {kind}: `kedro {command}`"
    rng = random.Random(name)
    with counted(name, fault, "3") as tally:
        for how, damage in DAMAGES.items():
            left = tries
            while left > 0:
                with ExitStack() as stack:
                    running = []
                    for store in stores:
                        chosen = targets(store)[:left]
                        left -= len(chosen)
                        hits = [_hit(*target, damage, rng) for target in chosen]
                        stack.enter_context(damaged(hits))
                        if hits:
                            child = start(*arguments(store), log=store.with_suffix(".txt"))
                            running.append((store, hits, child))
                    for store, hits, child in running:
                        said = child.wait(), child.said
                        for what in judge(store, *said, hits):
                            tally.count(not what, f"a {how}: {what}")


def _hit(folder: Path, file: str, damage: Damage, rng: random.Random) -> Hit:
    return Hit(folder, file, damage((folder / file).read_bytes(), rng))


def changes(hits: Sequence[Hit]) -> list[Hit]:
    """Those after which a folder says something else: a manifest's last line may lose its end."""
    return [h for h in hits if h.file != MANIFEST or read_manifest(h.folder) is None]


def refused(store: Path, code: int, said: str, hits: Sequence[Hit]) -> Iterator[str]:
    """Every damage is named in one error, the exit code is 1, and nothing is written."""
    fault = ""
    if code != 1 or said.count("Error: ") != 1 or "Traceback" in said:
        fault = f"exit code {code}: {said[-250:]}"
    elif written(store):
        fault = f"written: {', '.join(map(str, written(store)))}"
    for hit in hits:
        yield (fault or unnamed(hit, said)) if changes(hits) else _other(code, said)


def _other(code: int, said: str) -> str:
    return "" if code == 0 else f"nothing was damaged, exit code {code}: {said[-250:]}"


def written(store: Path) -> list[Path]:
    """All files of reports, of half-made ones and of reruns; locks do not count."""
    below = [path for place in ("08_reporting", "09_reruns") for path in (store / place).rglob("*")]
    names = [path.relative_to(store) for path in below if path.is_file()]
    return [name for name in names if not any(part.startswith(".") for part in name.parts)]


def reports(store: Path) -> dict[str, bytes]:
    """What a comparison wrote, by name; the page and run.json tell when and where it was."""
    found = (path for path in (store / "08_reporting").rglob("*") if path.is_file())
    return {p.name: p.read_bytes() for p in found if p.suffix in (".csv", ".tex", ".md")}
