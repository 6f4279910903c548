"""What the workflow costs around a training, in new processes as a user starts them.

    python benchmarks/speed/start.py --out FOLDER

In a copy of the project's conf/ with a store and a tracking database of its own. A first experiment
of the demo makes the splits, the teacher, its signals and the database; that is not timed. Then, in
turn, each time for a student seed that was not there before:

- `first`: `kedro run --pipeline=distill` makes the student, scores it and tracks it in sqlite;
- `bare`: `python -m alpkd_pipeline.training` makes the same student from its run.json alone, in a
  new folder; it must come out with the very same weights;
- `finished`: the same `kedro run` as before, now with nothing left to do.

`first` less `bare` is what the workflow adds to a training: planning, tracking, and the scores,
which the bare training has not.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from paired import PROJECT, arguments, paired, print_table, record, stopwatch, summary

from alpkd_pipeline.store.manifest import MANIFEST, read_json, sha256_file

WEIGHTS = "model.safetensors"
SHORT = {"training.epochs": 1, "teacher.training.epochs": 1}


class Workplace:
    """A copy of the project in which experiments are made.

    Args:
        root: a folder that is not there yet.
        changes: parameters of every experiment.
    """

    def __init__(self, root: Path, changes: dict[str, int]) -> None:
        (root / "src").mkdir(parents=True)
        for name in ("pyproject.toml", ".telemetry"):
            shutil.copy(PROJECT / name, root)
        shutil.copytree(PROJECT / "conf", root / "conf", ignore=shutil.ignore_patterns("local"))
        (root / "conf" / "local").mkdir()
        self._root = root
        self._changes = changes
        self.seed = 0
        self.trained: list[dict[str, float]] = []

    def first(self) -> float:
        """Seconds of an experiment whose student was never made."""
        self.seed += 1
        return self._experiment()

    def bare(self) -> float:
        """Seconds of the same student's training without the workflow."""
        student = self._student()
        again = student.with_name(f"bare-{self.seed}")
        again.mkdir()
        # The inputs in it are relative to the folder, and this one lies beside the first.
        shutil.copy(student / "run.json", again)
        seconds = self._run("-m", "alpkd_pipeline.training", str(again))
        assert sha256_file(again / WEIGHTS) == sha256_file(student / WEIGHTS)
        loops = {"first": student, "bare": again}
        self.trained.append({n: read_json(f / "metrics.json")["seconds"] for n, f in loops.items()})
        return seconds

    def finished(self) -> float:
        """Seconds of the experiment that is there already."""
        made = (self._student() / MANIFEST).stat().st_mtime_ns
        seconds = self._experiment()
        assert (self._student() / MANIFEST).stat().st_mtime_ns == made
        return seconds

    def _experiment(self) -> float:
        given = {**self._changes, "seed": self.seed}
        params = ",".join(f"{name}={value}" for name, value in given.items())
        return self._run("-m", "kedro", "run", "--pipeline=distill", f"--params={params}")

    def _student(self) -> Path:
        found = list(self._root.glob(f"data/06_models/students/demo/*-s{self.seed}-*"))
        if len(found) != 1:
            raise RuntimeError(
                "one experiment has made several students: was the code edited meanwhile?"
            )
        return found[0]

    def _run(self, *words: str) -> float:
        """Seconds of a new Python process in the project's root."""

        def work() -> None:
            done = subprocess.run(
                [sys.executable, *words], cwd=self._root, capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"{' '.join(words)}\n{done.stdout}\n{done.stderr}")

        return stopwatch(work)


def main() -> None:
    """Measure, print, record."""
    asked = arguments(__doc__, threads=False).parse_args()
    repeats = 1 if asked.quick else asked.repeats
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(Path(folder) / "project", SHORT if asked.quick else {})
        place.first()
        sides = {"first": place.first, "bare": place.bare, "finished": place.finished}
        found = summary(paired(sides, repeats), [])
    seconds = found["seconds"]
    more = [a - b for a, b in zip(seconds["first"], seconds["bare"], strict=True)]
    facts = {
        **found,
        "first_less_bare": more,
        "first_less_bare_median": statistics.median(more),
        "loop_seconds": place.trained[1:],
        "changed_parameters": SHORT if asked.quick else {},
        "repeats": repeats,
    }
    path = record(asked.out, "start", facts, threads=1, precision="fp32")
    rows = [*found["medians"].items(), ("first less bare", facts["first_less_bare_median"])]
    print_table(["process", "seconds"], rows)
    print(path)


if __name__ == "__main__":
    main()
