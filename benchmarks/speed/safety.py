"""What safety costs: the same training with and without checkpoints and event log.

    python benchmarks/speed/safety.py --out FOLDER
    python benchmarks/speed/safety.py --out FOLDER --students mrpc --rows 2048 --epochs 3

Students: `mrpc`, 3 of MiniLM's 6 layers on the first 1,024 rows of MRPC, two epochs; `demo`, 4 of
the demo encoder's 12 layers on the first 2,048 rows of the demo task, four epochs. Three sides
train each of them in turn:

- `safe`: as by default, checkpoints by the clock (`training.checkpoint_every: auto`), an event log;
- `no_checkpoints`: `training.checkpoint_every: never`;
- `nothing`: in addition, no line of the event log is written.

Timed is the loop `fit` alone, without evaluations and the writing of the best model, which belong
to any training: the shares are of a shorter time than a user waits, so rather too large than too
small.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from demo_rows import demo_rows
from epoch import our_epoch
from paired import arguments, paired, print_table, record, summary
from real_rows import TEACHER_NOTE, RealRows, real_rows

from alpkd_pipeline.store.checkpoints import CHECKPOINTS
from alpkd_pipeline.training.devices import resolve_hardware
from alpkd_pipeline.training.student import record_signals

SIDES = {"safe": ("auto", False), "no_checkpoints": ("never", False), "nothing": ("never", True)}
"""Each side's `checkpoint_every`, and whether its event log is silent."""

STUDENTS: dict[str, tuple[Callable[[Path, int, int], RealRows], int, int, int]] = {
    "mrpc": (lambda folder, rows, threads: real_rows(folder, "mrpc", rows, threads), 3, 1024, 2),
    "demo": (demo_rows, 4, 2048, 4),
}
"""Each student's data, layers, rows and epochs."""


class SilentEventLog:
    """Takes an event log's lines and writes none."""

    size = 0

    def write(self, event: str, **fields: Any) -> None:
        """Forget a line."""


def trained(data: RealRows, layers: int, epochs: int, side: str) -> float:
    """Seconds of a training's loop."""
    every, silent = SIDES[side]
    blocks = {
        "student": {**data.params["student"], "layers": layers},
        "method": data.methods["alp_kd"],
        "training": {**data.params["training"], "epochs": epochs, "checkpoint_every": every},
    }
    run = data.run(side, "student", **blocks)
    return our_epoch(run, **({"event_log": SilentEventLog()} if silent else {}))


def checkpoint_bytes(folder: Path) -> int:
    """What the last checkpoint takes on the disk."""
    last = max((folder / CHECKPOINTS).iterdir())
    return sum(path.stat().st_size for path in last.iterdir())


def measured(
    folder: Path, name: str, rows: int | None, epochs: int | None, threads: int, repeats: int
) -> dict[str, Any]:
    """All sides of one student."""
    make, layers, all_rows, all_epochs = STUDENTS[name]
    rows, epochs = rows or all_rows, epochs or all_epochs
    data = make(folder, rows, threads)
    record_signals(data.run("recorded", "signals"), data.inputs["signals"])
    sides = {side: partial(trained, data, layers, epochs, side) for side in SIDES}
    pairs = [("safe", "nothing"), ("no_checkpoints", "nothing"), ("safe", "no_checkpoints")]
    found = summary(paired(sides, repeats), pairs)
    facts = {"student": name, "layers": layers, "rows": rows, "epochs": epochs}
    return {**facts, "checkpoint_bytes": checkpoint_bytes(folder / "safe"), **found}


def main() -> None:
    """Measure, print, record."""
    parser = arguments(__doc__)
    parser.add_argument("--students", nargs="+", choices=STUDENTS, default=list(STUDENTS))
    parser.add_argument("--rows", type=int, help="the first rows of train")
    parser.add_argument("--epochs", type=int)
    asked = parser.parse_args()
    rows, epochs, repeats = asked.rows, asked.epochs, asked.repeats
    if asked.quick:
        rows, epochs, repeats = 64, 1, 1
    cases = []
    for name in asked.students:
        with tempfile.TemporaryDirectory() as folder:
            cases.append(measured(Path(folder), name, rows, epochs, asked.threads, repeats))
    hardware = resolve_hardware("auto", "auto", asked.threads)
    path = record(
        asked.out,
        "safety",
        {"repeats": repeats, "teacher": TEACHER_NOTE, "cases": cases},
        threads=asked.threads,
        precision=hardware.precision,
        device=hardware.device_name,
    )
    print_table(
        ["student", *cases[0]["medians"], *cases[0]["ratios"]],
        [[c["student"], *c["medians"].values(), *c["ratios"].values()] for c in cases],
    )
    print(path)


if __name__ == "__main__":
    main()
