"""The dev scores of an original and of its rerun."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.reporting.store import SCORES
from alpkd_pipeline.runs.manifest import MANIFEST, read_json, read_manifest

Pairs = Mapping[str, tuple[float | None, float | None]]
"""`<split>.<metric>` -> the original's score and the rerun's, the deciding one first."""


def scores_folder(run: StoredRun) -> Path | None:
    """The newest dev scores that were made of a run."""
    found = []
    for folder in (run.store / SCORES[0] / run.task).glob(f"{run.folder.name}-*"):
        made_from = (read_manifest(folder) or {}).get("made_from") or {}
        if made_from.get(run.stage) == run.key:
            found.append(folder)
    return max(found, key=lambda folder: (folder / MANIFEST).stat().st_mtime_ns, default=None)


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
        skipped, missing = _said(scores_folder(then), scores_folder(now))
    return _paired(before, after, then.run["task"]), skipped, missing


def _said(then: Path | None, now: Path | None) -> tuple[str | None, str | None]:
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
    folder = scores_folder(run)
    if folder is None:
        return None
    try:
        found = read_json(folder / "scores.json")["splits"]
        return _flat({name: facts["scores"] or {} for name, facts in found.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
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
