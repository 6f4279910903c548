"""What finished models answered, read from their files as numbers, and how much of the difference
of two is the choice of the dev examples.

An interval over dev examples describes one pair of trained models. It knows nothing of seeds, so
it says nothing about the methods that made them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.statistics.summary import LEVEL, no_spread
from alpkd_pipeline.store.artifact import find_in
from alpkd_pipeline.store.layout import SCORES, SPLITS
from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.tasks.metrics import METRICS
from alpkd_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import pyarrow as pa

_HEADING = b"idx,label,prediction"


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model said of the N rows of a split, in the split's order."""

    idx: np.ndarray  # (N,) whole, the rows' numbers in the data set
    labels: np.ndarray  # (N,) class ids, or numbers
    predictions: np.ndarray  # (N,) the same of the model
    probabilities: np.ndarray  # (N, C) of the classes; (N, 0) of numbers, or if they were not kept


def labels_and_predictions(data: bytes) -> tuple[list[float], list[float]]:
    """The labels (N,) and the answers (N,) of such a file alone; errors as `read_predictions`."""
    table = _table(data, ["label", "prediction"])
    # Arrow's way to numpy imports pandas, which a finished run does not wait for.
    return table["label"].to_pylist(), table["prediction"].to_pylist()


def read_predictions(data: bytes) -> Predictions:
    """Read `predictions/<split>.csv`, as `training.predict.write_predictions` writes it.

    Raises:
        ValueError: it is no such file, or it has no rows.
    """
    idx, labels, predictions, *rest = (column.to_numpy() for column in _table(data).columns)
    return Predictions(idx, labels, predictions, np.array(rest).reshape(len(rest), len(idx)).T)


def _table(data: bytes, names: list[str] | None = None) -> pa.Table:
    """The columns of such a file, or some of them, whole numbers as such."""
    import pyarrow as pa
    from pyarrow import csv

    if not data.startswith(_HEADING) or not data.endswith(b"\n"):
        raise ValueError(f"it does not begin with {_HEADING.decode()}, or has no end")
    table = csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(use_threads=False),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(null_values=[""], include_columns=names),
    )
    if not len(table):
        raise ValueError("it has no rows")
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if column.null_count or not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise ValueError(f"in the column {name} is something else than numbers")
    return table


@dataclass(frozen=True, slots=True)
class DevPredictions:
    """One model's answers."""

    folder: RunFolder
    task: Task
    split: str  # the dev split that decides
    rows: Predictions

    @property
    def name(self) -> str:
        """What people call the model."""
        return self.folder.path.name


def dev_predictions(path: Path) -> DevPredictions:
    """A model's answers on the first dev split of its task, by its finished run folder.

    Those of its evaluation, else those that its training kept.

    Raises:
        UserError: it was not scored on dev, its files are damaged, or cannot be read.
    """
    folder = RunFolder(path)
    try:
        task = Task.from_dict(folder.run["task"])
        split = task.dev_splits[0]
        holders = [*(result for place in SCORES for result in folder.results(place)), folder]
        found = (holder.predictions(split) for holder in holders)
        rows = next((read_predictions(file) for file in found if file is not None), None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}); make it again") from None
    if rows is None:
        raise UserError(
            f"{path.name} has no answers on {split}; `kedro run --pipeline=evaluate` with its"
            " parameters makes them"
        )
    return DevPredictions(folder, task, split, rows)


def compare_predictions(candidate: DevPredictions, reference: DevPredictions) -> PairBootstrap:
    """`one_pair` of two models.

    Raises:
        UserError: they did not answer the same questions, for the reason that it says.
    """
    both = f"{candidate.name} and {reference.name}"
    if candidate.task.name != reference.task.name or candidate.split != reference.split:
        raise UserError(
            f"{both} are models of different tasks, {candidate.task.name} and"
            f" {reference.task.name}: choose two of one task"
        )
    if candidate.task.primary_metric != reference.task.primary_metric:
        raise UserError(
            f"{both} were judged by {candidate.task.primary_metric} and"
            f" {reference.task.primary_metric}: choose two with the same first metric"
        )
    if not all(
        np.array_equal(getattr(candidate.rows, name), getattr(reference.rows, name))
        for name in ("idx", "labels")
    ):
        raise UserError(
            f"{both} answered other rows of {candidate.split}, or in another order: choose two that"
            " were made from the same data"
        )
    metric, labels = candidate.task.primary_metric, candidate.rows.labels
    return one_pair(metric, labels, candidate.rows.predictions, reference.rows.predictions)


RESAMPLES = 2000
"""How often N examples are drawn, with replacement; both models get the same."""

BATCH = 1_000_000
"""Examples of so many are drawn at once: all resamples of a large split would fill the memory."""

VECTORISED: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "accuracy": lambda predictions, labels: np.mean(predictions == labels, axis=-1)
}
"""Metrics that score all resamples at once."""


@dataclass(frozen=True, slots=True)
class PairBootstrap:
    """One model against another on the same examples."""

    metric: str
    rows: int  # the number of examples
    candidate: float  # the first model's score
    reference: float
    # lower end of the interval of ours minus theirs; where all resamples give one difference, both
    # ends are that, and say nothing
    low: float
    high: float  # its upper end
    differing: int  # the number of examples that the two answer differently

    @property
    def difference(self) -> float:
        """The first model's score minus the second's."""
        return self.candidate - self.reference

    @property
    def has_interval(self) -> bool:
        """Whether resamples of the examples give more than one difference."""
        return not no_spread([self.low, self.high])


def unseen_share(rows: int) -> float:
    """Below which share of texts what was seen on none of so many lies, at the level of intervals.

    The exact (Clopper-Pearson) upper bound for 0 of N: (1 - share)^N is the chance to see none.
    """
    return float(1 - (1 - LEVEL) ** (1 / rows))


def one_pair(
    metric: str, labels: np.ndarray, candidate: np.ndarray, reference: np.ndarray
) -> PairBootstrap:
    """The difference of two models and its bootstrap interval over examples (percentiles).

    Args:
        metric: a name out of `tasks.metrics.METRICS`.
        labels: (N,) right answers.
        ours: (N,) answers of the first model.
        theirs: (N,) answers of the second model, to the same examples.

    Raises:
        ValueError: the three do not have the same length, at least 2.
    """
    if not len(labels) == len(candidate) == len(reference) or len(labels) < 2:
        raise ValueError(
            f"{len(labels)} labels, {len(candidate)} and {len(reference)} answers do not fit"
        )
    score = METRICS[metric]
    low, high = _interval(metric, (labels, candidate, reference))
    return PairBootstrap(
        metric=metric,
        rows=len(labels),
        candidate=score(candidate, labels),
        reference=score(reference, labels),
        low=low,
        high=high,
        differing=int(np.sum(candidate != reference)),
    )


def _interval(metric: str, data: tuple[np.ndarray, ...]) -> tuple[float, float]:
    from scipy.stats import DegenerateDataWarning, bootstrap

    score = VECTORISED.get(metric, METRICS[metric])

    # scipy passes the axis only to statistics that are vectorised; it is always the last one.
    def difference(labels: Any, candidate: Any, reference: Any, axis: int = -1) -> Any:
        return score(candidate, labels) - score(reference, labels)

    with warnings.catch_warnings():
        # Models that answer alike: `has_interval` tells.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            data,
            difference,
            paired=True,
            vectorized=metric in VECTORISED,
            n_resamples=RESAMPLES,
            batch=max(1, BATCH // len(data[0])),
            confidence_level=LEVEL,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def most_different(candidate: DevPredictions, reference: DevPredictions) -> np.ndarray:
    """The places of the rows that two models answer differently, the most different ones first.

    Numbers are as different as their distance, classes as the total variation of the two models'
    probabilities; where those were not kept, and among equals, the order of the rows decides.
    """
    numbers = candidate.task.kind == "regression"
    one, other = (
        m.rows.predictions[:, None] if numbers else m.rows.probabilities
        for m in (candidate, reference)
    )
    rows = np.flatnonzero(candidate.rows.predictions != reference.rows.predictions)
    if one.shape != other.shape:
        return rows
    return rows[np.argsort(-np.abs(one - other)[rows].sum(axis=1), kind="stable")]


def texts_of(model: DevPredictions, numbers: np.ndarray) -> list[dict[str, str]]:
    """The texts of some rows of the dev split, by column, from the splits that the run was made of.

    Rows are named by `idx`. They are read when somebody asks for them: no result holds a text.

    Raises:
        UserError: these splits are not in the store any more.
        DamagedError: the file is not what was written.
    """
    import pandas as pd

    key, place = str(model.folder.keys.get("splits")), model.folder.beside(SPLITS)
    found = find_in(place, key)
    if found is None:
        raise UserError(
            f"the splits {key[:8]} that {model.name} was made of are not in {place}, or not all of"
            " their files, so there are no texts to show; `kedro run --pipeline=data_prep` with its"
            " parameters makes them again"
        )
    file = BytesIO(RunFolder(found).read(f"{model.split}.parquet"))
    columns = list(model.task.text_columns)
    frame = pd.read_parquet(file, columns=["idx", *columns]).set_index("idx")
    return [{name: str(frame.at[number, name]) for name in columns} for number in numbers.tolist()]
