"""Whether two trainings read the same rows, split by split."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.store.checkpoints import data_digests as recorded_digests
from alpkd_pipeline.store.layout import SPLITS
from alpkd_pipeline.store.run_folder import DamagedError, RunFolder, finished_below

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class SplitChange:
    """A split that is not what it was: `changed` of so many `rows`, where there are `now` so many.

    None of these is known where rows are gone, and only their hash tells.
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
    """What two trainings read; `known` if the original says it, or the rows are still there."""

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
    changes = [
        _change(then, now, split)
        for split in sorted({*theirs, *ours})
        # Other bytes alone come from another version of the library that writes the files.
        if theirs.get(split) != ours.get(split) and not _same_table(then, now, split)
    ]
    return DataComparison(known=True, changes=tuple(changes))


def data_digests(run: StoredRun) -> dict[str, str]:
    """Split -> sha256 of its token ids and labels; empty where nothing is known."""
    return dict(run.run.get("data") or recorded_digests(_encoded(run)))


def _encoded(run: StoredRun) -> Path:
    return run.folder / run.run.get("inputs", {}).get("encoded", "nowhere")


def _change(then: StoredRun, now: StoredRun, split: str) -> SplitChange:
    before, after = _frame(then, split), _frame(now, split)
    rows = [None if frame is None else len(frame) for frame in (before, after)]
    changed = None if before is None or after is None else changed_rows(before, after)
    return SplitChange(split, changed, *rows)


def _same_table(then: StoredRun, now: StoredRun, split: str) -> bool:
    """Whether both files of token ids and labels hold the same, however it was written down."""
    import pyarrow as pa

    try:
        files = [RunFolder(_encoded(run)).read(f"{split}.arrow") for run in (then, now)]
        before, after = (pa.ipc.open_file(file).read_all() for file in files)
    except (DamagedError, OSError, ValueError):
        return False
    return bool(before.equals(after))


def _frame(run: StoredRun, split: str) -> pd.DataFrame | None:
    """The checked rows of a split, from the store that the run lies in."""
    import pandas as pd

    key = run.keys.get("splits", "")
    for folder in finished_below(run.store / SPLITS / run.task):
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
