"""What was tested before with fewer seeds: looking again and again finds what is not there.

A look is a comparison in which two configurations of a task and depth were tested. All looks of a
store are lines of one file beside its comparisons, which is only ever added to.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from alpkd_pipeline.reporting.statistics.pairing import Row
from alpkd_pipeline.store.layout import COMPARISONS

FILE = "looks.jsonl"

Looks = Mapping[tuple[str, str], list[int]]
"""Two arms -> the numbers of seeds with which they were tested."""


def looks_of(store: Path) -> Looks:
    """All looks of a store; a line that cannot be read does not count."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    path = store / COMPARISONS / FILE
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            look = json.loads(line)
            found[str(look["arm"]), str(look["baseline_arm"])].add(int(look["seeds"]))
        except (ValueError, KeyError, TypeError):
            continue
    return {pair: sorted(seeds) for pair, seeds in found.items()}


def add_looks(store: Path, rows: Iterable[Row]) -> None:
    """Remember the pairs that were tested, each number of seeds once."""
    known = looks_of(store)
    lines = [
        json.dumps(
            {
                **{name: row[name] for name in ("task", "layers", "label", "arm")},
                **{name: row[name] for name in ("baseline_label", "baseline_arm")},
                "seeds": row["n"],
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
            }
        )
        for row in rows
        if row["df"] is not None
        and row["n"] not in known.get((row["arm"], row["baseline_arm"]), ())
    ]
    if lines:
        path = store / COMPARISONS / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
