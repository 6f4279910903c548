"""Scores from answers, and what each dev row contributes to them, without a library.

`tasks.metrics` scores models; its numbers are these (tests/reporting/statistics). A claim is
checked with these where only Python is installed.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence

ERRORS = ("rmse", "mae")
"""Of these less is better."""

Pair = tuple[float, float]
"""A label and the answer to it."""

Cells = Mapping[Pair, int]
"""How many rows have them."""


def score_of(metric: str, labels: Sequence[float], predictions: Sequence[float]) -> float:
    """The score of a split by one of the metrics of `tasks.metrics`.

    Raises:
        KeyError: the metric is none of these.
    """
    if metric in OF_COUNTS:
        return OF_COUNTS[metric](Counter(zip(labels, predictions, strict=True)))
    if metric in ("pearson", "spearman"):
        if _is_flat(labels) or _is_flat(predictions):
            return 0.0
        ranked = metric == "spearman"
        return _pearson(*(ranks(x) if ranked else x for x in (labels, predictions)))
    errors = [a - b for a, b in zip(predictions, labels, strict=True)]
    return {
        "rmse": lambda: math.sqrt(math.fsum(e * e for e in errors) / len(errors)),
        "mae": lambda: math.fsum(map(abs, errors)) / len(errors),
    }[metric]()


def pseudo_values(metric: str, cells: Counter[Pair]) -> dict[Pair, float]:
    """n score - (n - 1) score without row i: the jackknife's pseudo-values of n rows.

    Of the accuracy they are 1 for a right and 0 for a wrong answer. Rows of one label and one
    answer have the same value. For the metrics of `OF_COUNTS`.
    """
    score, n = OF_COUNTS[metric], cells.total()
    whole = n * score(cells)
    return {pair: whole - (n - 1) * score(cells - Counter([pair])) for pair in cells}


def constant_score(metric: str, labels: Sequence[float]) -> float:
    """The score of whoever answers every row with the larger class, or with the mean."""
    counted = metric in OF_COUNTS
    said = Counter(labels).most_common(1)[0][0] if counted else math.fsum(labels) / len(labels)
    return score_of(metric, labels, [said] * len(labels))


def collapsed(predictions: Sequence[float], labels: Sequence[float], metric: str) -> bool:
    """Whether a model answers one class, or numbers whose standard deviation is under a tenth of
    the labels'.
    """
    if metric in OF_COUNTS:
        return len(set(predictions)) == 1
    return _deviation(predictions) < _deviation(labels) / 10


def _accuracy(cells: Cells) -> float:
    return sum(n for (a, b), n in cells.items() if a == b) / sum(cells.values())


def _f1_of(cells: Cells, name: float) -> float:
    right = cells.get((name, name), 0)
    all_of = sum(n * ((a == name) + (b == name)) for (a, b), n in cells.items())
    return 2 * right / all_of if all_of else 0.0


def _f1_macro(cells: Cells) -> float:
    names = {name for pair, n in cells.items() if n for name in pair}
    return math.fsum(_f1_of(cells, name) for name in names) / len(names)


def _matthews(cells: Cells) -> float:
    """Gorodkin, Comput. Biol. Chem. 28 (2004)."""
    names = {name for pair in cells for name in pair}
    given = {k: sum(n for (a, _), n in cells.items() if a == k) for k in names}
    said = {k: sum(n for (_, b), n in cells.items() if b == k) for k in names}
    total, right = sum(cells.values()), sum(n for (a, b), n in cells.items() if a == b)
    covariance = right * total - sum(given[k] * said[k] for k in names)
    spreads = [total**2 - sum(n * n for n in one.values()) for one in (given, said)]
    return covariance / math.sqrt(spreads[0] * spreads[1]) if all(spreads) else 0.0


OF_COUNTS = {
    "accuracy": _accuracy,
    "f1": lambda cells: _f1_of(cells, 1),
    "f1_macro": _f1_macro,
    "matthews": _matthews,
}
"""Metrics that need only know how often each label got each answer."""


def _is_flat(values: Sequence[float]) -> bool:
    """Whether float32 values differ by their rounding alone, which a correlation would read."""
    return max(values) - min(values) <= 4 * 2**-23 * max(map(abs, values))


def _pearson(candidate: Sequence[float], reference: Sequence[float]) -> float:
    x, y = _centred(candidate), _centred(reference)
    size = math.sqrt(math.fsum(a * a for a in x) * math.fsum(b * b for b in y))
    return math.fsum(a * b for a, b in zip(x, y, strict=True)) / size if size else 0.0


def _deviation(values: Sequence[float]) -> float:
    return math.sqrt(math.fsum(x * x for x in _centred(values)) / len(values))


def _centred(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def ranks(values: Sequence[float]) -> list[float]:
    """Places from 1, the lowest value, on; equal values share theirs."""
    order = sorted(values)
    return [(bisect_left(order, x) + bisect_right(order, x) + 1) / 2 for x in values]
