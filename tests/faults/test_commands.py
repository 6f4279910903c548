"""Several commands at once, parameters edited under way, and results that must not be reused."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from tests.conftest import PROJECT
from tests.faults.commands import Prepared, distill, wait_for_step, work_of
from tests.faults.record import counted, times
from tests.projects import copied_project

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import is_complete, read_json, sha256_file

AT_ONCE, ROUNDS = 4, times(2)


def test_for_one_output(prepared: Prepared, tmp_path: Path) -> None:
    title = f"{AT_ONCE} commands for one output at once, one of them killed in between"
    with counted("one-output", title, "11") as tally:
        for i in range(ROUNDS):
            store = prepared.copy(f"shared-{i}")
            logs = [tmp_path / f"{i}-{n}.txt" for n in range(AT_ONCE)]
            runs = [distill(store, log) for log in logs]
            wait_for_step(store, 31)
            holder = next(
                n for n in range(AT_ONCE) if "waiting: another" not in logs[n].read_text()
            )
            runs[holder].kill()
            codes = [run.wait(240) for run in runs]
            folder = work_of(store)
            assert folder is not None
            event_log = read_event_log(folder)[0]
            starts = [e["event"] for e in event_log].count("start")
            resumes = [e["event"] for e in event_log].count("resume")
            waited = sum("waiting: another process is making" in log.read_text() for log in logs)
            ok = sorted(codes) == [-9, *[0] * (AT_ONCE - 1)] and (starts, resumes) == (1, 1)
            ok = ok and waited >= AT_ONCE - 1 and is_complete(folder)
            said = f"codes {codes}, {starts} starts, {resumes} resumes, {waited} waited"
            tally.count(ok, said, tries=AT_ONCE)
            shutil.rmtree(store)
        tally.note = "each time one trained, the others said so and waited, one of them went on"


def test_parameters_that_are_rewritten(prepared: Prepared, tmp_path: Path) -> None:
    rng = random.Random(31)
    with counted("rewritten", "parameters.yml rewritten in the middle of a run", "13") as tally:
        weights: set[str] = set()
        for i in range(3):
            store = prepared.copy(f"rewritten-{i}")
            project, log = copied_project(tmp_path / f"project{i}"), tmp_path / "run.txt"
            given = project / "conf" / "local" / "parameters.yml"
            given.write_text(yaml.safe_dump({"training": {"lr": 3.0e-4}}))
            run = distill(store, log, project=project)
            begin = rng.randrange(1, 150)
            if i:  # the first one is left alone
                wait_for_step(store, begin)
                given.write_text(yaml.safe_dump({"training": {"lr": 1.0, "epochs": 1}, "seed": 9}))
            code = run.wait(180)
            folder = work_of(store)
            assert folder is not None, log.read_text()
            params = read_json(folder / "run.json")["params"]
            weights.add(sha256_file(folder / "model.safetensors"))
            ok = code == 0 and len(weights) == 1 and is_complete(folder)
            ok = ok and (params["training"]["lr"], params["seed"]) == (3.0e-4, 0)
            tally.count(
                ok, f"code {code}, {len(weights)} kinds of weights: {log.read_text()[-300:]}"
            )


class Own:
    """A project with its own copy of the code and a small table of its own."""

    def __init__(self, root: Path) -> None:
        self.root = copied_project(root)
        self.store = root / "data"
        shutil.rmtree(root / "src")
        shutil.copytree(PROJECT / "src", root / "src", ignore=shutil.ignore_patterns("*.egg-info"))
        shutil.copytree(DEMO_FOLDER, root / "encoder")
        self._table()
        training = {"epochs": 1, "batch_size": 16, "threads": 1}
        self.params: dict[str, Any] = {
            "task": {
                "name": "own",
                "source": "table",
                "path": str(root / "table"),
                "files": {"train": "train.csv", "dev": "dev.csv"},
                "text_columns": ["text"],
                "columns": {"text": "sentence"},
                "labels": ["negative", "positive"],
                "metrics": ["accuracy"],
                "max_length": 64,
            },
            "teacher": {"model": str(root / "encoder"), "training": training},
            "training": training,
            "student": {"layers": 1},
            "run": {"store": str(self.store), "tracking": "off"},
        }
        self.write()

    def _table(self) -> None:
        from alpkd_pipeline.tasks.sources.demo import load

        (self.root / "table").mkdir()
        for name, rows in (("train", 96), ("dev", 48)):
            frame = load()[name].head(rows)[["sentence", "label"]]
            frame.to_csv(self.root / "table" / f"{name}.csv", index=False)

    def write(self) -> None:
        """Write the parameters."""
        place = self.root / "conf" / "local" / "parameters.yml"
        place.write_text(yaml.safe_dump(self.params))

    def made(self, log: Path) -> set[str]:
        """Run the pipeline, and say what it made."""
        run = distill(self.store, log, project=self.root, params="seed=0")
        assert run.wait(300) == 0, log.read_text()
        text = log.read_text()
        names = ("splits", "encoded", "teacher", "signals", "student")
        return {name for name in names if f"making {name}" in text}


def edit_code(own: Own) -> None:
    path = own.root / "src/alpkd_pipeline/training/optim.py"
    text = path.read_text()
    assert "int(total * ratio)" in text
    path.write_text(text.replace("int(total * ratio)", "int(ratio * total)"))


def edit_code_that_nothing_reaches(own: Own) -> None:
    path = own.root / "src/alpkd_pipeline/training/optim.py"
    path.write_text(path.read_text() + "\n\nPLANTED = 1\n")


def edit_a_comment(own: Own) -> None:
    path = own.root / "src/alpkd_pipeline/training/optim.py"
    path.write_text(path.read_text() + "\n# only a remark\n")


def edit_parameters(own: Own) -> None:
    own.params["training"] = {**own.params["training"], "lr": 5.0e-4}
    own.write()


def edit_data(own: Own) -> None:
    path = own.root / "table" / "train.csv"
    rows = path.read_text().splitlines()
    label = rows[5][-1]
    rows[5] = rows[5][:-1] + ("0" if label == "1" else "1")
    path.write_text("\n".join(rows) + "\n")


def edit_environment(own: Own) -> None:
    # Found before the installed one, since the project's code comes first.
    facts = own.root / "src" / "safetensors-99.0.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: safetensors\nVersion: 99.0.0\n")


def edit_upstream(own: Own) -> None:
    own.params["teacher"] = {"seed": 1, **own.params["teacher"]}
    own.write()


def remake_upstream(own: Own) -> None:
    """A teacher that is gone and that nobody needs is not made again."""
    shutil.rmtree(own.store / "06_models" / "teachers")


def touch(own: Own) -> None:
    for folder in ("table", "src", "conf", "data"):
        for path in (own.root / folder).rglob("*"):
            if path.is_file():
                os.utime(path, (1.7e9 + 5, 1.7e9 + 5))


STUDENT = {"student"}
MODELS = {"teacher", "signals", *STUDENT}
EVERYTHING = {"splits", "encoded", *MODELS}
CHANGES: dict[str, tuple[Callable[[Own], None], set[str]]] = {
    "nothing": (lambda own: None, set()),
    "a file's mtime": (touch, set()),
    "a comment": (edit_a_comment, set()),
    "a parameter": (edit_parameters, STUDENT),
    "code": (edit_code, MODELS),
    "code that nothing reaches": (edit_code_that_nothing_reaches, set()),
    "environment": (edit_environment, MODELS),
    "upstream": (edit_upstream, MODELS),
    "data": (edit_data, EVERYTHING),
    "a teacher removed": (remake_upstream, set()),
}


def test_stale_results(tmp_path: Path) -> None:
    title = "one thing changed between two runs: what depends on it is made again, nothing else"
    with counted("stale", title, "14") as tally:
        own, log = Own(tmp_path / "project"), tmp_path / "run.txt"
        assert own.made(log) == EVERYTHING
        for name, (change, wanted) in CHANGES.items():
            change(own)
            found = own.made(log)
            tally.count(found == wanted, f"{name}: made {sorted(found)}, not {sorted(wanted)}")
        tally.note = ", ".join(CHANGES)
