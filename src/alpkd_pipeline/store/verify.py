"""Looks at everything in a store: every byte against its hash, every key against the others."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store import lineage, unfinished
from alpkd_pipeline.store.contents import ByteProgress, Finding, Report, check_contents
from alpkd_pipeline.store.layout import ARTIFACT_TYPES, reruns, stores_of
from alpkd_pipeline.store.manifest import OWN_DIGEST, lock_file, read_manifest
from alpkd_pipeline.store.run_folder import RUN_CONFIG

CHECKPOINT = "checkpoint"
RERUN = "rerun"
"""How checkpoints of interrupted trainings, and the stores of reruns, are counted."""


def verify_store(
    store: Path,
    paths: Sequence[Path] = (),
    progress: ByteProgress | None = None,
    home: lineage.Home | None = None,
) -> Report:
    """Look at a store, and at the stores of reruns inside it. Nothing is written.

    With `paths` only folders at, below or around one of these; raises UserError where nothing of
    the store lies at one. `progress` is told of what is read, `home` is as for `lineage.Repairs`.
    """
    began, progress = time.monotonic(), progress or ByteProgress()
    under = [place for path in paths for place in _both(path)]
    idle = [rerun for rerun in reruns(store) if not unfinished.is_held(lock_file(rerun))]
    places = [store, *(place for rerun in idle for place in stores_of(rerun))]
    looks = [_Look(lineage.read_index(place), under, home) for place in places]
    for path in paths:
        if not any(look.reaches(path) for look in looks):
            raise UserError(
                f"nothing of the store {store} lies at {path}: name a folder inside it, or another"
                " store with --params=run.store=..."
            )
    progress.total = sum(result.bytes for look in looks for result in look.results)
    report = Report(store)
    for look in looks:
        if look.index.store == store:
            look.take(report, progress)
        else:
            # The store of a rerun counts as one thing.
            rerun = look.take(Report(look.index.store), progress)
            for each in rerun.counts.values():
                report.counts[RERUN].update(each)
            place = os.path.relpath(rerun.store, store)
            report.findings += [
                replace(one, kind=RERUN, folder=f"{place}/{one.folder}") for one in rerun.findings
            ]
    report.seconds = time.monotonic() - began
    return report


class _Look:
    """One store, and the part of it that is to be looked at."""

    def __init__(self, index: lineage.Index, under: list[Path], home: lineage.Home | None) -> None:
        self.index, self._under = index, under
        self.results = [r for r in index.results if self._wanted(r.entry.path)]
        self._others = [entry for entry in index.others if self._wanted(entry.path)]
        self._repairs = lineage.Repairs(index, home)

    def reaches(self, path: Path) -> bool:
        """Whether a folder of this store lies at a path, below it or around it."""
        entries = [*(result.entry for result in self.results), *self._others]
        folders = [entry.path for entry in entries] + [*map(self._at, self.index.unreadable)]
        return any(_meet(_both(path), folder) for folder in folders)

    def take(self, report: Report, progress: ByteProgress) -> Report:
        """Fill the report."""
        store = self.index.store
        found = [*self.index.unreadable]
        for kind in ARTIFACT_TYPES:
            results = {r.entry.path: r for r in self.results if r.entry.kind == kind}
            if results:
                names = {path: result.name for path, result in results.items()}
                faults = check_contents(kind.name, names, report.counts[kind.name], progress)
                for path in sorted(faults):
                    trust_run = RUN_CONFIG not in [fault.file for fault in faults[path]]
                    again = self._repairs.again(results[path], trust_run=trust_run)
                    found += _with_remedy(faults[path], again)
        # Checkpoints of trainings that nobody is at now.
        idle = [e.path for e in self._others if e.state == "work" and not unfinished.at_work_on(e)]
        if steps := [step for work in idle for step in unfinished.steps_inside(work)]:
            names = {step: os.path.relpath(step, store) for step in steps}
            faults = check_contents(CHECKPOINT, names, report.counts[CHECKPOINT], progress)
            do = "the training passes over it and goes on from an older checkpoint, or begins again"
            for some in faults.values():
                found += _with_remedy(some, do)
            found += dict.fromkeys(unfinished.wrong_steps(steps, store))
        by_path = {result.entry.path: result for result in self.index.results}
        for r in self.results:
            for what in (*lineage.disagreements(r), *lineage.wrong_inputs(r, by_path)):
                found.append(r.finding("mismatched", what, self._repairs.again(r)))
        found += lineage.wrong_names(self.index.results)
        found += lineage.copies(self.index.results)
        found += [unfinished.finding(entry, store, self._repairs.placed) for entry in self._others]
        found = [one for one in found if self._wanted(self._at(one))]
        if not self._under:
            found += lineage.orphans(self.index.results)
            found += unfinished.check_records(store, report.counts[unfinished.RECORD_KIND])
        report.findings += [self._unless_moved(finding) for finding in found]
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
            for r in self.results
            if (read_manifest(r.entry.path) or r.facts).get(OWN_DIGEST) != r.facts.get(OWN_DIGEST)
        }

    def _wanted(self, path: Path) -> bool:
        return not self._under or _meet(self._under, path)

    def _at(self, finding: Finding) -> Path:
        return self.index.store / finding.folder


def _both(path: Path) -> tuple[Path, Path]:
    """A path as it is called and as it is: folders of the store may be links to other disks."""
    return Path(os.path.abspath(path)), path.resolve()


def _meet(paths: Iterable[Path], path: Path) -> bool:
    """Whether a path lies at, below or around one of some."""
    return any(p == q or p in q.parents or q in p.parents for p in paths for q in _both(path))


def _with_remedy(faults: Sequence[Finding], do: str) -> list[Finding]:
    return [replace(fault, do=do) if fault.is_bad else fault for fault in faults]
