"""Whether two trainings read the same rows, split by split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.reporting.store import SCORES
from alpkd_pipeline.store.finished import DamagedError, FinishedFolder, finished_below, results_of
from alpkd_pipeline.store.manifest import read_manifest

if TYPE_CHECKING:
    import pandas as pd


ENDS = ".arrow"


@dataclass(frozen=True, slots=True)
class SplitChange:
    """A split that is not what it was.

    Attributes:
        split: its name.
        changed: how many rows are other ones now; None where the old rows are gone, so that only
            their hash is known.
        rows: how many rows there were.
        now: how many there are.
    """

    split: str
    changed: int | None
    rows: int | None
    now: int | None

    def __str__(self) -> str:
        if self.changed is None:
            return f"{self.split}: other contents"
        if self.changed == 0:
            return f"{self.split}: the same rows in another order or with other token ids"
        size = f"{self.rows}" if self.rows == self.now else f"{self.rows}, now {self.now}"
        return f"{self.split}: {self.changed} of {size} rows"


@dataclass(frozen=True, slots=True)
class DataComparison:
    """What two trainings read.

    Attributes:
        known: whether the original says what it read, or the rows are still there.
        changes: the splits that differ.
    """

    known: bool
    changes: tuple[SplitChange, ...]

    @property
    def same(self) -> bool:
        """Whether the rows are known to be the same."""
        return self.known and not self.changes


def compare_data(then: StoredRun, now: StoredRun) -> DataComparison:
    """Compare the encoded splits of two trainings by their hashes, and by rows where these differ.

    The hashes are those in run.json; older runs have none, so their splits' manifest is asked.
    """
    theirs, ours = data_digests(then), data_digests(now)
    if not theirs or not ours:
        return DataComparison(known=False, changes=())
    changed = [name for name in sorted({*theirs, *ours}) if theirs.get(name) != ours.get(name)]
    changes = [change for name in changed if (change := _change(then, now, name)) is not None]
    return DataComparison(known=True, changes=tuple(changes))


def data_digests(run: StoredRun) -> dict[str, str]:
    """Split -> sha256 of its token ids and labels; empty where nothing is known."""
    recorded: Mapping[str, str] = run.run.get("data") or {}
    if recorded:
        return dict(recorded)
    files = (read_manifest(_encoded(run)) or {"files": {}})["files"]
    return {
        name.removesuffix(ENDS): f["sha256"] for name, f in files.items() if name.endswith(ENDS)
    }


def _encoded(run: StoredRun) -> Path:
    return run.folder / run.run.get("inputs", {}).get("encoded", "nowhere")


def _change(then: StoredRun, now: StoredRun, split: str) -> SplitChange | None:
    if _same_arrays(_encoded(then), _encoded(now), split):
        return None  # another version of the library that writes the files
    before, after = (_frame(run, split) for run in (then, now))
    if before is None or after is None:
        rows = [None if frame is None else len(frame) for frame in (before, after)]
        return SplitChange(split, None, *rows)
    return SplitChange(split, changed_rows(before, after), len(before), len(after))


def _same_arrays(then: Path, now: Path, split: str) -> bool:
    import numpy as np

    from alpkd_pipeline.errors import UserError
    from alpkd_pipeline.tasks.encode import read_encoded

    try:
        for folder in (now, then):
            FinishedFolder(folder).verify([f"{split}{ENDS}"])
        ours, theirs = (read_encoded(folder, split) for folder in (now, then))
    except (UserError, OSError, ValueError):
        return False
    names = ("offsets", "input_ids", "token_type_ids", "labels", "idx")
    pairs = [(getattr(ours, name), getattr(theirs, name)) for name in names]
    return all(
        a is b is None or (a is not None and b is not None and np.array_equal(a, b))
        for a, b in pairs
    )


def _frame(run: StoredRun, split: str) -> pd.DataFrame | None:
    """The checked rows of a split, from the store that the run lies in."""
    import pandas as pd

    key = run.keys.get("splits", "")
    for folder in finished_below(run.store / "02_intermediate/splits" / run.task):
        try:
            if folder.key == key:
                return pd.read_parquet(BytesIO(folder.read(f"{split}.parquet")))
        except (DamagedError, OSError, ValueError):
            continue  # gone or damaged: the hash alone tells that the rows are others
    return None


def changed_rows(then: pd.DataFrame, now: pd.DataFrame) -> int:
    """How many rows are not in both, wherever they stand; their numbers do not count."""
    before, after = _counted(then), _counted(now)
    return max((before - after).total(), (after - before).total())


def _counted(frame: pd.DataFrame) -> Counter[tuple[Any, ...]]:
    names = sorted(name for name in frame.columns if name != "idx")
    return Counter(frame[names].itertuples(index=False, name=None))


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
