"""What a comparison is asked: of which students, what was fixed before looking, and earlier looks.

A look is a comparison in which two configurations of a task and depth were tested: looking again
and again finds what is not there. All looks of a store are lines of one file beside its
comparisons, which is only ever added to.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alpkd_pipeline.coordinates import parse_only
from alpkd_pipeline.reporting.claim.read import claims_below
from alpkd_pipeline.reporting.statistics.arms import Row
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.store.layout import COMPARISONS


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters `compare`."""

    sweep: str | None = None  # a sweep, as for `chosen_sweep`; None: everything in the store
    # of the rest only what has these coordinates, as for `coordinates.matches`
    only: Mapping[str, Any] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)
    claims: str | None = None  # a claim, or a folder with several, whose runs count too

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Asked:
        """Read the block as `params.CompareParams` has checked it."""
        plan = Plan(block["primary"], block["margin"], block["looks"])
        return cls(block["sweep"], parse_only(block["only"] or ""), plan, block["claims"])

    @property
    def facts(self) -> dict[str, Any]:
        """What the comparison's key depends on, but for the sweep, of which its cells count."""
        claims = sorted(claims_below(self.claims)) if self.claims else []
        return {"only": dict(self.only), "plan": asdict(self.plan), "claims": claims}


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
