"""Memory of a training as the train set grows: the cache and the encoded rows stay on the disk.

    python benchmarks/speed/memory.py --out FOLDER

Made-up train splits of 50,000, 200,000 and 800,000 rows (1x, 4x, 16x): some 30 tokens a row as an
Arrow file, and the fp16 signals of the shipped encoder, 12 layers of width 64, which are 1.5 kB a
row. At 16x that is 1.2 GB: whoever read it into memory would be seen from afar, and still all of it
fits into 1.8 GB of disk, which is given back at the end.

Each measurement is a new process that starts an ALP-KD training as a run does and stops it after
30 steps, so that the same work is done however many rows there are. It looks at itself (`STAGES`
of watched_training.py): `peak` is the most it ever held until then, `now` what it holds at that
moment, of which `own` is its own and `mapped` are pages of files: of the libraries, and of the rows
that were touched, with their neighbours.

The system takes mapped pages back when it needs them. How many neighbours come with a row is its
choice: where a file was just written and lies in memory in large pieces, 2 MB for each touch of a
row have been seen; after it was read anew from the disk, 64 kB. `--cold` has the files forgotten
before each process. Over a whole epoch (`--steps`) every row is touched once.

The tables show medians, and how much 16x holds over 1x at each stage, in MB of 10^6 bytes. Linux
only.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paired import arguments, forget, print_table, record

HERE = Path(__file__).parent
SCALES = (1, 4, 16)
ALLOWED_MB, ALLOWED_BYTES_A_ROW = 64, 32
"""By how much 16x may be over 1x, as the project wants it; recorded beside what was found."""


def child(script: str, *words: object) -> str:
    """What a script of this folder prints, run in a new process."""
    command = [sys.executable, str(HERE / script), *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def measured(root: Path, rows: int, steps: int, repeats: int, cold: bool) -> dict[int, list[Any]]:
    """For each scale what its processes saw, one for each round; the scales take turns."""
    for scale in SCALES:
        child("large_rows.py", root / str(scale), rows * scale)
    found: dict[int, list[Any]] = {scale: [] for scale in SCALES}
    for _ in range(repeats):
        for scale, seen in found.items():
            for part in ("encoded", "signals") if cold else ():
                forget(root / str(scale) / part)
            seen.append(json.loads(child("watched_training.py", root / str(scale), steps)))
    return found


def median(seen: Sequence[Any], stage: str, what: str) -> float:
    """MB, over the repeats."""
    return statistics.median(s[stage][what] for s in seen)


def disk(root: Path) -> dict[str, dict[str, int]]:
    """Bytes of the train split's files at each scale."""
    return {
        scale.name: {
            part: sum(path.stat().st_size for path in (scale / part).glob("train.*"))
            for part in ("encoded", "signals")
        }
        for scale in sorted(root.iterdir())
    }


def main() -> None:
    """Measure, print, record."""
    parser = arguments(__doc__, threads=False)
    parser.add_argument("--rows", type=int, default=50_000, help="rows at 1x")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cold", action="store_true", help="have the files forgotten before")
    parser.set_defaults(repeats=3)
    asked = parser.parse_args()
    rows, repeats = (2_000, 1) if asked.quick else (asked.rows, asked.repeats)
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), rows, asked.steps, repeats, asked.cold)
        sizes = disk(Path(folder))
    least, most = SCALES[0], SCALES[-1]
    stages = list(found[least][0])
    growth = {
        stage: {
            what: median(found[most], stage, what) - median(found[least], stage, what)
            for what in ("peak", "now", "own", "mapped")
        }
        for stage in stages
    }
    allowed = ALLOWED_MB + ALLOWED_BYTES_A_ROW * rows * most / 1e6
    facts = {
        "rows": {scale: rows * scale for scale in SCALES},
        "steps": asked.steps,
        "repeats": repeats,
        "unit": "MB of 10^6 bytes",
        "disk_bytes": sizes,
        "seen": found,
        "cold": asked.cold,
        "growth": growth,
        "allowed_growth_of_peak": allowed,
    }
    path = record(asked.out, "memory", facts, threads=1, precision="fp32")
    print_table(
        ["rows", *(f"{what}, {stage}" for stage in stages for what in ("now", "own")), "peak"],
        [
            [
                rows * scale,
                *(median(seen, stage, what) for stage in stages for what in ("now", "own")),
                median(seen, "end", "peak"),
            ]
            for scale, seen in found.items()
        ],
    )
    print_table(
        [f"{most}x less {least}x", *growth["end"]],
        [[stage, *values.values()] for stage, values in growth.items()],
    )
    print(f"allowed of the peak: {allowed:.1f} MB")
    print(path)


if __name__ == "__main__":
    main()
