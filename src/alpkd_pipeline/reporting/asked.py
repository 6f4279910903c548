"""What a comparison is asked: of which students, and what was fixed before looking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from alpkd_pipeline.coordinates import parse_only
from alpkd_pipeline.reporting.claim.read import claims_below
from alpkd_pipeline.reporting.statistics.words import Plan


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
