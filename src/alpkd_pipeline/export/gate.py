"""The gate: whether a published form answers as the model in torch does, on every dev row.

Three outcomes. What was seen is within the bounds and the 95 % limit too: it passes. What was seen
is not: it fails. Only the limit is not: it cannot be shown with so few rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alpkd_pipeline.errors import plural
from alpkd_pipeline.export.calibrate import Calibration
from alpkd_pipeline.export.limits import loss_of, share_limits
from alpkd_pipeline.export.runtime import Answer
from alpkd_pipeline.export.settings import ClassBounds, NumberBounds
from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.tasks.metrics import METRICS
from alpkd_pipeline.tasks.task import Task

GATE = "gate.json"
NAMED_ROWS = 20  # so many rows whose answers changed are named

Outcome = Literal["passes", "fails", "cannot be shown"]


@dataclass(frozen=True, slots=True)
class Rows:
    """The dev rows: what torch says of them, and what is right."""

    task: Task
    names: list[str]  # N numbers of the rows, with the split where there are several
    labels: np.ndarray  # (N,)
    logits: np.ndarray  # (N, C) of torch in fp32


@dataclass(frozen=True, slots=True)
class Check:
    """What is asked of a form, beside its bound."""

    what: str  # `changed answers`
    seen: float
    limit: float | None  # the 95 % limit of what is so in general; None where there is none
    bound: float
    unit: str = ""

    @property
    def outcome(self) -> Outcome:
        """The answer to this one question. Without a limit what was seen decides, and with a bound
        of 0, which no number of rows would show."""
        if not self.seen <= self.bound:  # NaN too
            return "fails"
        shown = self.limit is None or self.bound == 0 or self.limit <= self.bound
        return "passes" if shown else "cannot be shown"

    def __str__(self) -> str:
        limit = "" if self.limit is None else f", 95 % limit {self.limit:.3g}"
        return f"{self.what} {self.seen:.3g}{self.unit} (at most {self.bound:g}{limit})"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate says of one form."""

    form: str
    rows: int
    checks: tuple[Check, ...]
    changed: tuple[str, ...]  # the names of the rows whose answers are others
    score: float  # of the task's first metric
    torch_score: float

    @property
    def outcome(self) -> Outcome:
        """The worst answer."""
        order: tuple[Outcome, ...] = ("passes", "cannot be shown", "fails")
        return max((one.outcome for one in self.checks), key=order.index, default="passes")

    def passes(self, require_bound: bool) -> bool:
        """Whether the form may be published; `require_bound`: only what was shown."""
        return self.outcome == "passes" or (self.outcome != "fails" and not require_bound)

    def line(self) -> str:
        """The outcome in one line, with what decided it and the rows that changed."""
        of = f" with {plural(self.rows, 'row')}" if self.outcome == "cannot be shown" else ""
        decisive = [str(one) for one in self.checks if one.outcome == self.outcome]
        shown = ", ".join(self.changed[:NAMED_ROWS])
        more = ", ..." if len(self.changed) > NAMED_ROWS else ""
        rows = f"; rows {shown}{more} changed" if self.changed else ""
        return f"{self.form} {self.outcome}{of}: {'; '.join(decisive)}{rows}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "form": self.form,
            "outcome": self.outcome,
            "rows": self.rows,
            "found": [{**asdict(one), "outcome": one.outcome} for one in self.checks],
            "changed_rows": list(self.changed),
            "score": self.score,
            "torch_score": self.torch_score,
        }


def judge(
    form: str,
    rows: Rows,
    output: tuple[np.ndarray, Sequence[Answer]],
    how: Calibration,
    bounds: ClassBounds | NumberBounds,
) -> Judgement:
    """Hold what a published form says of the rows, logits (N, C) and answers, against torch."""
    logits, predictions = output
    metric, checks = rows.task.primary_metric, list[Check]()
    if isinstance(bounds, NumberBounds):
        published = np.array([answer.score for answer in predictions])
        reference = rows.logits[:, 0].astype(float)
        changed = np.zeros(len(published), bool)
        checks += _numbers(reference, published, bounds)
        gap = np.abs(published - reference).max()
        checks += _if("largest difference of answers", gap, bounds.logits)
    else:
        names = rows.task.label_names
        ids = {name: i for i, name in enumerate(names)}
        # A label that the task does not have is -1, which torch never answers.
        published = np.array([ids.get(answer.label, -1) for answer in predictions])
        reference = how.classes(rows.logits)
        changed = published != reference
        if bounds.changed is not None:
            seen = 100 * int(changed.sum()) / len(changed)
            limit = 100 * share_limits(int(changed.sum()), len(changed))[1]
            checks.append(Check("changed answers", seen, limit, bounds.changed, " %"))
        chances = [[a.probabilities.get(name, np.nan) for name in names] for a in predictions]
        gap = np.abs(np.array(chances) - how.probabilities(rows.logits)).max()
        checks += _if("largest difference of probabilities", gap, bounds.logits)
    gap = np.abs(logits - rows.logits).max()
    checks += _if("largest difference of logits", gap, bounds.logits)
    scores = [METRICS[metric](answers, rows.labels) for answers in (published, reference)]
    if bounds.loss is not None:
        seen, limit = loss_of(metric, rows.labels, reference, published)
        error = METRICS[metric].is_error
        unit, name = (100 / scores[1], " %") if error else (100, " points")
        checks.append(Check(f"loss of {metric}", seen * unit, limit * unit, bounds.loss, name))
    changed_rows = tuple(rows.names[i] for i in np.flatnonzero(changed))
    return Judgement(form, len(rows.names), tuple(checks), changed_rows, *scores)


def _if(what: str, seen: float, bound: float | None, unit: str = "") -> list[Check]:
    return [] if bound is None else [Check(what, float(seen), None, bound, unit)]


def _numbers(reference: np.ndarray, published: np.ndarray, bounds: NumberBounds) -> list[Check]:
    from scipy.stats import pearsonr

    gaps, spread = np.abs(published - reference), float(reference.std()) or 1.0
    apart = 1 - float(pearsonr(reference, published).statistic)
    least = None if bounds.pearson is None else 1 - bounds.pearson
    return [
        *_if("largest difference", gaps.max() / spread, bounds.largest, " sd"),
        *_if("mean difference", gaps.mean() / spread, bounds.mean, " sd"),
        *_if("1 - Pearson correlation", apart, least),
    ]


def outcome_line(folder: Path) -> str:
    """What is served, and what the gate said of each form, in one line."""
    gate = RunFolder(folder).json(GATE)
    outcomes = ", ".join(f"{one['form']} {one['outcome']}" for one in gate["forms"])
    return f"gate: {outcomes}; served: {gate['serve']}"
