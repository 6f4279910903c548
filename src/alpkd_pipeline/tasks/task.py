"""What a task is: its columns, labels, splits and metrics. Plain values, standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

TaskKind = Literal["classification", "regression"]

HIDDEN_LABEL = -1
"""The label that GLUE gives to rows whose answer is kept secret (test splits)."""


@dataclass(frozen=True, slots=True)
class Task:
    """A sentence or sentence-pair task.

    Attributes:
        name: what users call it, also a folder name (`rte`).
        kind: `classification` (labels 0..C-1) or `regression` (labels are real numbers).
        text_columns: one or two column names, in the order in which they are fed to the encoder.
        label_names: the name of each class in label order; empty for regression.
        metrics: names out of `tasks.metrics.METRICS`; the first one decides what is best.
        label_range: lowest and highest allowed label of a regression, if it has limits.
        dev_splits: the splits with public labels that are scored; the first one decides.
        test_splits: the splits whose labels may be hidden.
    """

    name: str
    kind: TaskKind
    text_columns: tuple[str, ...]
    label_names: tuple[str, ...]
    metrics: tuple[str, ...]
    label_range: tuple[float, float] | None = None
    dev_splits: tuple[str, ...] = ("dev",)
    test_splits: tuple[str, ...] = ("test",)

    @property
    def num_labels(self) -> int:
        """Width of the classifier's output: the number of classes, or 1 for a regression."""
        return len(self.label_names) if self.kind == "classification" else 1

    @property
    def deciding_metric(self) -> str:
        """The metric that chooses the best checkpoint and ranks students."""
        return self.metrics[0]

    def to_dict(self) -> dict[str, Any]:
        """The task as JSON-ready values; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Task:
        """Rebuild a task from `to_dict`, JSON's lists turned back into tuples."""
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**fields)
