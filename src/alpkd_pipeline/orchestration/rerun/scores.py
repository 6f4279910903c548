"""The dev scores of an original and of its rerun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.reporting.store import SCORES
from alpkd_pipeline.runs.finished import DamagedError, FinishedFolder, results_of

Pairs = Mapping[str, tuple[float | None, float | None]]
"""`<split>.<metric>` -> the original's score and the rerun's, the deciding one first."""


def scores_folder(run: StoredRun) -> FinishedFolder | None:
    """The newest dev scores that were made of a run.

    Raises:
        DamagedError: a manifest does not say any more what it was made from.
    """
    found = results_of(run.store / SCORES[0] / run.task, FinishedFolder(run.folder))
    return next(iter(found), None)


def readable_scores(run: StoredRun) -> FinishedFolder | None:
    """The same; None where damage hides them, which `damage` tells."""
    try:
        return scores_folder(run)
    except DamagedError:
        return None


def compare_scores(then: StoredRun, now: StoredRun) -> tuple[Pairs, str | None, str | None]:
    """Compare the saved models' dev scores; those that chose them, where one model has no others.

    Returns:
        The scores; why less was compared than could be, if so; and what makes the two unequal,
        whatever these scores are.
    """
    before, after = _saved(then), _saved(now)
    skipped = missing = None
    if before is None or after is None:
        before, after = _chosen(then), _chosen(now)
        skipped, missing = _said(readable_scores(then), readable_scores(now))
    return _paired(before, after, then.run["task"]), skipped, missing


def _said(then: FinishedFolder | None, now: FinishedFolder | None) -> tuple[str | None, str | None]:
    """What is to be said where not both have readable scores of the saved model."""
    less = "the scores that chose the models are compared"
    if then is None:
        skipped = f"the original has no dev scores of the saved model: {less}"
        return (None if now is None else skipped), None
    if now is None:
        return None, f"the rerun has no dev scores of the saved model: {less}"
    return None, f"dev scores of the saved model cannot be read: {less}"


def _saved(run: StoredRun) -> dict[str, float] | None:
    """The saved model's dev scores; None if it was not scored or they cannot be read."""
    folder = readable_scores(run)
    if folder is None:
        return None
    try:
        found = folder.json("scores.json")["splits"]
        return _flat({name: facts["scores"] or {} for name, facts in found.items()})
    except (DamagedError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _chosen(run: StoredRun) -> dict[str, float]:
    """The scores that chose the model, as its training wrote them; none if they are damaged."""
    try:
        return _flat(dict(run.metrics.get("scores") or {}))
    except (ValueError, TypeError, AttributeError):
        return {}


def _flat(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    return {
        f"{split}.{metric}": float(value)
        for split, scores in splits.items()
        for metric, value in scores.items()
    }


def _paired(
    then: Mapping[str, float], now: Mapping[str, float], task: Mapping[str, Any]
) -> dict[str, tuple[float | None, float | None]]:
    split, metric = task["dev_splits"][0], task["metrics"][0]

    def order(name: str) -> tuple[bool, bool, str]:
        # The scores that chose a model may be of a split with a name of its own.
        return name != f"{split}.{metric}", not name.endswith(f".{metric}"), name

    return {name: (then.get(name), now.get(name)) for name in sorted({*then, *now}, key=order)}
