"""Looks at everything in a store: every byte against its hash, every key against the others."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.contents import ByteProgress, Fault, check_contents
from alpkd_pipeline.store.findings import BAD, Finding, Report
from alpkd_pipeline.store.layout import KINDS, reruns, stores_of
from alpkd_pipeline.store.lineage import (
    Index,
    copies,
    disagreements,
    orphans,
    read_index,
    wrong_inputs,
    wrong_names,
)
from alpkd_pipeline.store.manifest import OWN_DIGEST, lock_file, read_manifest
from alpkd_pipeline.store.repairs import Repairs
from alpkd_pipeline.store.run_folder import RUN_CONFIG
from alpkd_pipeline.store.unfinished import KIND as RECORDS
from alpkd_pipeline.store.unfinished import (
    at_work_on,
    changed_beside,
    check_records,
    is_held,
    steps_inside,
    unfinished,
    wrong_steps,
)

CHECKPOINT = "checkpoint"
RERUN = "rerun"
"""How checkpoints of interrupted trainings, and the stores of reruns, are counted."""

FALL_BACK = "the training passes over it and goes on from an older checkpoint, or begins again"


def verify_store(
    store: Path, paths: Sequence[Path] = (), progress: ByteProgress | None = None
) -> Report:
    """Look at a store, and at the stores of reruns inside it. Nothing is written.

    Args:
        store: the folder of all results.
        paths: only folders at, below or around one of these; everything if there are none.
        progress: is told of what is read.

    Raises:
        UserError: nothing of the store lies at a path.
    """
    began, progress = time.monotonic(), progress or ByteProgress()
    under = [place for path in paths for place in _both(path)]
    idle = [rerun for rerun in reruns(store) if not is_held(lock_file(rerun))]
    places = [store, *(place for rerun in idle for place in stores_of(rerun))]
    looks = [_Look(read_index(place), under) for place in places]
    _check_paths(store, paths, looks)
    progress.total = sum(look.bytes for look in looks)
    report = Report(store)
    for look in looks:
        if look.index.store == store:
            look.take(report, progress)
        else:
            _add_rerun(report, look.take(Report(look.index.store), progress))
    report.seconds = time.monotonic() - began
    return report


def _check_paths(store: Path, paths: Sequence[Path], looks: Sequence[_Look]) -> None:
    for path in paths:
        if not any(look.reaches(place) for look in looks for place in _both(path)):
            raise UserError(
                f"nothing of the store {store} lies at {path}: name a folder inside it, or another"
                " store with --params=run.store=..."
            )


def _add_rerun(report: Report, rerun: Report) -> None:
    """Count the store of a rerun as one thing."""
    place, count = os.path.relpath(rerun.store, report.store), report.counts[RERUN]
    for each in rerun.counts.values():
        count.add(each)
    report.findings += [
        replace(found, kind=RERUN, folder=f"{place}/{found.folder}") for found in rerun.findings
    ]


class _Look:
    """One store, and the part of it that is to be looked at."""

    def __init__(self, index: Index, under: Sequence[Path]) -> None:
        self.index, self._under = index, under
        self._results = [r for r in index.results if self._wanted(r.entry.path)]
        self._others = [entry for entry in index.others if self._wanted(entry.path)]

    @property
    def bytes(self) -> int:
        """How much there is to read, checkpoints left out."""
        return sum(self.index.bytes[result.entry.path] for result in self._results)

    def reaches(self, path: Path) -> bool:
        """Whether a folder of this store lies at a path, below it or around it."""
        folders = [result.entry.path for result in self._results]
        folders += [entry.path for entry in self._others]
        folders += [self._at(finding) for finding in self.index.unreadable]
        return any(_meet(path, place) for folder in folders for place in _both(folder))

    def take(self, report: Report, progress: ByteProgress) -> Report:
        """Fill the report."""
        found, index = report.findings, self.index
        found += [finding for finding in index.unreadable if self._wanted(self._at(finding))]
        for kind in KINDS:
            folders = [r.entry.path for r in self._results if r.entry.kind == kind]
            if folders:
                faults = check_contents(folders, report.counts[kind.name], progress)
                found += self._of_results(faults)
        if self._steps:
            faults = check_contents(self._steps, report.counts[CHECKPOINT], progress)
            found += [self._of_step(fault) for fault in faults]
            found += wrong_steps(self._steps, index.store)
            found += changed_beside(self._steps, index.store)
        found += self._contradictions()
        found += [unfinished(entry, index.store) for entry in self._others]
        if not self._under:
            found += orphans(index.results)
            found += check_records(index.store, report.counts[RECORDS])
        report.findings[:] = [self._unless_moved(finding) for finding in found]
        return report

    def _unless_moved(self, finding: Finding) -> Finding:
        """What was found, unless the folder is gone by now, or another one than was listed."""
        folder = self._at(finding)
        if not finding.is_bad or (folder.exists() and folder not in self._moved):
            return finding
        what = "it was renamed, replaced or removed while it was looked at"
        return Finding("at work", finding.kind, finding.folder, what)

    @cached_property
    def _moved(self) -> set[Path]:
        """Results that are others now than when the store was listed."""
        return {
            r.entry.path
            for r in self._results
            if (read_manifest(r.entry.path) or r.facts).get(OWN_DIGEST) != r.facts.get(OWN_DIGEST)
        }

    def _wanted(self, path: Path) -> bool:
        return not self._under or any(_meet(p, q) for p in self._under for q in _both(path))

    @cached_property
    def _steps(self) -> list[Path]:
        """Checkpoints of trainings that nobody is at now."""
        idle = [e.path for e in self._others if e.state == "work" and not at_work_on(e)]
        return [step for work in idle for step in steps_inside(work)]

    @cached_property
    def _repairs(self) -> Repairs:
        return Repairs(self.index.results, self.index.store)

    def _of_results(self, faults: Iterator[Fault]) -> Iterator[Finding]:
        by_path = {result.entry.path: result for result in self._results}
        by_folder: dict[Path, list[Fault]] = defaultdict(list)
        for fault in faults:
            by_folder[fault.folder].append(fault)
        for folder in sorted(by_folder):
            result = by_path[folder]
            trust_run = RUN_CONFIG not in [fault.file for fault in by_folder[folder]]
            again = self._repairs.again(result, trust_run=trust_run)
            for fault in sorted(by_folder[folder], key=lambda fault: fault.file):
                do = again if fault.state in BAD else ""
                yield _finding(fault, result.entry.kind.name, result.name, do)

    def _of_step(self, fault: Fault) -> Finding:
        name = os.path.relpath(fault.folder, self.index.store)
        return _finding(fault, CHECKPOINT, name, FALL_BACK if fault.state in BAD else "")

    def _contradictions(self) -> Iterator[Finding]:
        by_path = {result.entry.path: result for result in self.index.results}
        for result in self._results:
            name, kind = result.name, result.entry.kind.name
            for what in (*disagreements(result), *wrong_inputs(result, by_path)):
                again = self._repairs.again(result)
                yield Finding("mismatched", kind, name, what, again)
        between = (*wrong_names(self.index.results), *copies(self.index.results))
        yield from (found for found in between if self._wanted(self._at(found)))

    def _at(self, finding: Finding) -> Path:
        return self.index.store / finding.folder


def _both(path: Path) -> tuple[Path, Path]:
    """A path as it is called and as it is: folders of the store may be links to other disks."""
    return Path(os.path.abspath(path)), path.resolve()


def _meet(one: Path, other: Path) -> bool:
    return one == other or one in other.parents or other in one.parents


def _finding(fault: Fault, kind: str, folder: str, do: str) -> Finding:
    return Finding(
        fault.state, kind, folder, fault.what, do, fault.file, fault.expected, fault.found
    )
