"""Small stores with one folder of each kind, whose keys fit together as those of real ones."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from alpkd_pipeline.store.checkpoints import BEST, CHECKPOINTS, publish_step
from alpkd_pipeline.store.contents import Finding, Report
from alpkd_pipeline.store.layout import ARTIFACT_TYPES, FILES, ArtifactType
from alpkd_pipeline.store.manifest import publish, write_json

PLACES = {stage: kind for kind in ARTIFACT_TYPES for stage in kind.stages}
TRAININGS = ("teacher", "student")


def key_named(name: str) -> str:
    """A key like real ones."""
    return hashlib.sha256(name.encode()).hexdigest()


class SmallStore:
    """Publishes results as stages do.

    Args:
        root: the folder of all results.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._keys: dict[str, dict[str, str]] = {}
        self._folders: dict[str, Path] = {}

    def add(
        self, stage: str, name: str, *made_from: str, run_type: str = "cell", **files: Any
    ) -> Path:
        """One result.

        Args:
            stage: what it is.
            name: its name, from which its key follows.
            *made_from: names of what it was made from.
            generation: experiment, trial or rerun.
            **files: contents of more files, as JSON; by default 64 random bytes.
        """
        key, final = key_named(name), self._place(stage, name)
        work = final.with_name(f"{final.name}.work")
        stages = {self._stage_of(upper): upper for upper in made_from}
        keys = {stage: key}
        for upper in made_from:
            keys |= self._keys[upper]
        run: dict[str, Any] = {
            "stage": stage,
            "identity": {"key": key, "keys": keys, "generation": run_type},
            "inputs": {s: os.path.relpath(self._folders[n], work) for s, n in stages.items()},
            "params": {"teacher": {}},
        }
        if stage in TRAININGS:
            run["command"] = f"kedro run --pipeline=distill --params=name={name}"
        write_json(work / "run.json", run)
        (work / "predictions").mkdir()
        (work / "predictions" / "dev.csv").write_text("idx,prediction\n0,1\n1,0\n")
        (work / "data.bin").write_bytes(os.urandom(64))
        for file, contents in files.items():
            write_json(work / f"{file}.json", contents)
        demanded(work, stage)
        publish(work, final, {"stage": stage, "key": key, "made_from": self._above(stages)})
        self._keys[name], self._folders[name] = keys, final
        return final

    def comparison(
        self, name: str, students: list[Path], sweep: str | None = None, age: float = 0.0
    ) -> Path:
        """A comparison of some students, written some seconds ago."""
        final = self.root / "08_reporting/comparison" / key_named(name)[:8]
        work = final.parent.with_name("comparison.work")
        run = {"stage": "compare", "params": {"compare": {"sweep": sweep}}}
        write_json(work / "run.json", {**run, "compared": key_named(name)})
        rows = [{"path": str(student.relative_to(self.root))} for student in students]
        write_json(work / "comparison.json", {"students": rows})
        demanded(work, "comparison")
        publish(work, final, {"stage": "comparison", "key": key_named(name), "made_from": {}})
        make_older(final, age)
        return final

    def interrupted(self, name: str, *made_from: str, step: int = 20, age: float = 0.0) -> Path:
        """A training that was killed after a checkpoint."""
        work = self._place("student", name)
        work = work.with_name(f"{work.name}.work")
        keys: dict[str, str] = {"student": key_named(name)}
        for upper in made_from:
            keys |= self._keys[upper]
        run = {"stage": "student", "identity": {"key": key_named(name), "keys": keys}}
        write_json(work / "run.json", {**run, "params": {"teacher": {}}, "command": "kedro run"})
        (work / "events.jsonl").write_text(json.dumps({"event": "start"}) + "\n")
        for place in (CHECKPOINTS, BEST):
            publish_step(work / place, step, _write_step)
        make_older(work, age)
        return work

    def chain(self) -> SmallStore:
        """One folder of each kind."""
        self.add("splits", "rows")
        self.add("encoded", "ids", "rows")
        self.add("teacher", "big", "ids")
        self.add("signals", "said", "big", "ids")
        student = self.add("student", "small", "ids", "big", "said")
        for stage in ("scores", "evaluation", "latency"):
            self.add(f"teacher_{stage}", f"big-{stage}", "big", "ids")
            self.add(f"student_{stage}", f"small-{stage}", "small", "ids")
        self.add("student_geometry", "small-layers", "small", "big", "ids")
        self.comparison("all", [student])
        return self

    def folder(self, name: str) -> Path:
        """The folder of a result."""
        return self._folders[name]

    def key(self, name: str) -> str:
        """The key of a result."""
        return key_named(name)

    def _place(self, stage: str, name: str) -> Path:
        kind: ArtifactType = PLACES[stage]
        return self.root / kind.place / "mrpc" / f"{name}-{key_named(name)[:8]}"

    def _stage_of(self, name: str) -> str:
        return next(iter(self._keys[name]))

    def _above(self, stages: dict[str, str]) -> dict[str, str]:
        return {stage: key_named(name) for stage, name in stages.items()}


def files_of(store: Path) -> list[Path]:
    """Every file of a store."""
    return sorted(path for path in store.rglob("*") if path.is_file())


def bad(report: Report) -> list[Finding]:
    """What makes a store unsound."""
    return [finding for finding in report.findings if finding.is_bad]


def make_older(folder: Path, seconds: float) -> None:
    """Let a folder and all in it have been written some seconds ago."""
    then = time.time() - seconds
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))


def demanded(work: Path, stage: str) -> None:
    """The files that a stage must hold, where they are not there yet."""
    for pattern in FILES[stage]:
        path = work / pattern.replace("*", "model")
        if not path.exists():
            path.write_text("{}")


def _write_step(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(os.urandom(32))
    write_json(folder / "facts.json", {"best_step": 20})
