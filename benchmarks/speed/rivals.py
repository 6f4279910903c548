"""Seconds per epoch of TextBrewer and of a Hugging Face Trainer, over those of this project.

    python -m venv RIVALS
    RIVALS/bin/pip install -r benchmarks/speed/rivals.txt
    python benchmarks/speed/rivals.py --out FOLDER --rivals-python RIVALS/bin/python
    python benchmarks/speed/rivals.py --out FOLDER --rivals-python RIVALS/bin/python --quick

RIVALS is a folder of your choice: TextBrewer gets an environment of its own (on a machine without a
GPU install torch's CPU build there first). GLUE is found by $ALPKD_GLUE_DIR.

Every side trains the same student from the same weights on the same first rows of a real task, for
one epoch of AdamW in batches of 32 with the same teacher, learning rate, schedule, clipping and
threads, on the CPU. Loading models, evaluation and checkpoints are left out on every side. The
sides take turns, each in a process that stays alive: the rivals in `rival_epoch.py`, ours here.

- `textbrewer`: the settings of its GLUE example (examples/mnli_example): GeneralDistiller with a
  live teacher, temperature 8, soft targets alone on the logits, `hidden_mse` and `hidden_smmd`
  between evenly spread layers, all rows padded to 128, AdamW as torch makes it by default,
  TensorBoard on. In fp32: its mixed precision needs a GPU.
- `textbrewer_dynamic`: the same, given our batches and our padding to the longest row of a batch.
- `trainer`, `trainer_bf16`: a Trainer whose `compute_loss` runs the teacher: labels, soft targets
  and [CLS] states; batches of like lengths, padded to the longest row; fp32, and bf16=True.
- `ours`: alp_kd by the function that a student's run calls, with the teacher's signals from the
  cache, precision `auto`; `ours_fp32` in fp32. `cache` is the making of the cache with 32 rows of
  dev and the loading of the teacher, once for all students, methods and seeds of a teacher: it is
  beside the epoch and not in it.

Five rounds of 512 rows take half an hour to three quarters in one quiet thread: --rows and --cases
make less of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paired import arguments, paired, print_table, record, summary
from real_rows import TEACHER_NOTE
from rival_case import Case, Ours

WORKER = Path(__file__).with_name("rival_epoch.py")
RIVALS = ("textbrewer", "textbrewer_dynamic", "trainer", "trainer_bf16")
RATIOS = [
    *((rival, "ours") for rival in RIVALS),
    *((rival, "ours_fp32") for rival in RIVALS),
    ("cache", "ours"),
]
CASES = ("rte-3", "mrpc-2", "sst2-3")
BATCH, QUICK_ROWS = 32, 64


class Rival:
    """The other environment's process: asked for one epoch at a time."""

    def __init__(self, process: subprocess.Popen[str], log: Path, steps: int) -> None:
        self._process, self._log, self._steps = process, log, steps
        self.about = self._answer()

    def side(self, name: str) -> Callable[[], float]:
        """One epoch of a rival."""

        def epoch() -> float:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"side": name}) + "\n")
            self._process.stdin.flush()
            answer = self._answer()
            if answer["steps"] != self._steps:
                raise RuntimeError(f"{name} took {answer['steps']} steps, not {self._steps}")
            return float(answer["seconds"])

        return epoch

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            told = self._log.read_text("utf-8", errors="replace")
            raise RuntimeError(f"the rivals' process ended:\n{told[-2000:]}")
        return dict(json.loads(line))


@contextmanager
def rival(python: str, folder: Path, threads: int, steps: int) -> Iterator[Rival]:
    """A rival's process while it is needed."""
    log = folder / "rival.log"
    environ = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [python, str(WORKER), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environ,
        )
        try:
            yield Rival(process, log, steps)
        finally:
            process.kill()
            process.wait()


def measure(case: Case, python: str, rows: int, threads: int, repeats: int) -> dict[str, Any]:
    """All sides of a case in turn."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ours = Ours(case, folder, rows, threads)
        steps = rows // int(ours.settings["training"]["batch_size"])
        with rival(python, folder, threads, steps) as other:
            sides = {name: other.side(name) for name in RIVALS}
            sides |= {"ours": ours.epoch("auto"), "ours_fp32": ours.epoch("fp32")}
            seconds = paired({**sides, "cache": ours.build_cache}, repeats)
        facts = {"rows": rows, "our_settings": ours.settings, "our_precision": ours.precision}
    return {**facts, "rivals_environment": other.about, **summary(seconds, RATIOS)}


def tell(found: dict[str, Any]) -> None:
    """Print the medians and how often ours goes into them."""
    lines = []
    for name, case in found.items():
        for side, median in case["medians"].items():
            times = [median / case["medians"][own] for own in ("ours", "ours_fp32")]
            lines.append((name, side, median, *times))
    print_table(("case", "side", "seconds", "/ ours", "/ ours_fp32"), lines)


def main() -> None:
    """Measure, write the record, print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--rivals-python", required=True, help="python of the rivals' environment")
    parser.add_argument("--rows", type=int, default=512, help="first train rows, whole batches")
    parser.add_argument("--cases", nargs="+", default=CASES, help="task-layers, such as rte-3")
    given = parser.parse_args()
    rows, repeats = (QUICK_ROWS, 1) if given.quick else (given.rows, given.repeats)
    if rows % BATCH:
        parser.error(f"--rows must be a multiple of {BATCH}: TextBrewer's example drops a rest")
    cases = [Case.parse(text) for text in given.cases]
    found = {
        case.name: measure(case, given.rivals_python, rows, given.threads, repeats)
        for case in cases
    }
    payload = {"teacher": TEACHER_NOTE, "cases": found}
    # A run of other cases into the same folder leaves this one's numbers where they are.
    record(given.out, "-".join(["rivals", *found]), payload, threads=given.threads)
    tell(found)


if __name__ == "__main__":
    main()
