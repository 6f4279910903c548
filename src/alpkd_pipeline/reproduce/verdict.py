"""How a rerun is judged: whether it read the same rows, and the noise of a difference of scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.statistics.summary import ENOUGH_SEEDS, seed_summary, t_interval
from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.store.checkpoints import data_digests as recorded_digests
from alpkd_pipeline.store.layout import SPLITS, STUDENTS, TEACHERS
from alpkd_pipeline.store.run_folder import DamagedError, RunFolder, finished_below

if TYPE_CHECKING:
    import pandas as pd

Verdict = Literal["bitwise equal", "equal within the seed spread", "drifted", "failed"]

FROM_BEST: tuple[Verdict, ...] = get_args(Verdict)
BITWISE, WITHIN, DRIFTED, FAILED = FROM_BEST


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; of none, the best."""
    return max(verdicts, key=FROM_BEST.index, default=BITWISE)


@dataclass(frozen=True, slots=True)
class Band:
    """The least and the largest difference of the primary score, rerun minus original, that is
    noise: as `n` seeds tell, or `n` dev examples where there are too few seeds."""

    source: Literal["seeds", "examples"]
    n: int
    low: float
    high: float

    def holds(self, difference: float) -> bool:
        """Whether a difference is noise; rounding of the last digit always is."""
        return self.low - 1e-12 <= difference <= self.high + 1e-12

    def __str__(self) -> str:
        few = f"dev examples: fewer than {ENOUGH_SEEDS} seeds are in the store"
        of = few if self.source == "examples" else self.source
        return f"{self.low:+.4f} to {self.high:+.4f}, from {self.n} {of}"


def seed_band(scores: Sequence[float]) -> Band | None:
    """How far two runs lie apart that differ in nothing but the seed, by a score of each seed: the
    difference of two has their standard deviation times sqrt(2). None if they are too few."""
    if len(scores) < ENOUGH_SEEDS:
        return None
    seen = seed_summary(scores)
    # The interval is that of a mean, whose deviation is s / sqrt(n).
    low, high = t_interval(seen.n, 0.0, (seen.std or 0.0) * math.sqrt(2 * seen.n))
    return Band("seeds", seen.n, low, high)


def band_of(then: StoredRun, now: StoredRun) -> Band | None:
    """The band for an original and its rerun; None where nothing is there to make one from."""
    return seed_band(seed_scores(then)) or _from_examples(then, now)


def seed_scores(original: StoredRun) -> list[float]:
    """The primary scores of all runs of the store that differ from one in nothing but the seed,
    one for each seed, the original's own among them."""
    from alpkd_pipeline.reporting.grouping import group_id, metadata_but_seed, teacher_metadata
    from alpkd_pipeline.reporting.store import finished_runs

    student = original.stage == "student"
    metadata, kind = (metadata_but_seed, STUDENTS) if student else (teacher_metadata, TEACHERS)
    # The original first: its own score stands for its seed.
    records = sorted(finished_runs(original.store, kind), key=lambda r: r.key != original.key)
    group = {group_id(metadata(record)) for record in records[:1] if record.key == original.key}
    found = dict[int, float]()
    for record in records:
        if record.primary_score is not None and group_id(metadata(record)) in group:
            params = record.run["params"] if student else record.run["params"]["teacher"]
            found.setdefault(int(params["seed"]), record.primary_score)
    return list(found.values())


def _from_examples(then: StoredRun, now: StoredRun) -> Band | None:
    """How far the choice of dev examples alone moves the difference of these two models: the
    bootstrap interval, moved so that it holds the difference just when the interval holds 0."""
    from alpkd_pipeline.reporting.statistics.predictions import compare_predictions, dev_predictions

    with suppress(UserError, ValueError, TypeError):  # answers that are missing, or damaged
        found = compare_predictions(dev_predictions(now.path), dev_predictions(then.path))
        difference = found.difference
        return Band("examples", found.rows, difference - found.high, difference - found.low)
    return None


@dataclass(frozen=True, slots=True)
class SplitChange:
    """A split that is not what it was: `changed` of so many `rows`, where there are `now` so many;
    None where rows are gone, and only their hash tells."""

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

    def __str__(self) -> str:
        if not self.known:
            return "not known what the original read"
        return "the same rows" if self.same else f"changed: {'; '.join(map(str, self.changes))}"


def compare_data(then: StoredRun, now: StoredRun) -> DataComparison:
    """Compare the encoded splits of two trainings: their hashes, and rows where these differ."""
    theirs, ours = data_digests(then), data_digests(now)
    changes = []
    for split in sorted({*theirs, *ours}) if theirs and ours else ():
        # Other bytes alone come from another version of the library that writes the files.
        if theirs.get(split) != ours.get(split) and not _same_table(then, now, split):
            before, after = _frame(then, split), _frame(now, split)
            rows = [None if frame is None else len(frame) for frame in (before, after)]
            changed = None if before is None or after is None else changed_rows(before, after)
            changes.append(SplitChange(split, changed, *rows))
    return DataComparison(bool(theirs and ours), tuple(changes))


def data_digests(run: StoredRun) -> dict[str, str]:
    """Split -> sha256 of its token ids and labels; empty where nothing is known."""
    # Older runs have none in run.json, so their splits' manifest is asked.
    return dict(run.run.get("data") or recorded_digests(_encoded(run)))


def _encoded(run: StoredRun) -> Path:
    return run.path / run.run.get("inputs", {}).get("encoded", "nowhere")


def _same_table(then: StoredRun, now: StoredRun, split: str) -> bool:
    """Whether both files of token ids and labels hold the same, however it was written down."""
    import pyarrow as pa

    with suppress(DamagedError, OSError, ValueError):
        files = (RunFolder(_encoded(run)).read(f"{split}.arrow") for run in (then, now))
        before, after = (pa.ipc.open_file(file).read_all() for file in files)
        return bool(before.equals(after))
    return False


def _frame(run: StoredRun, split: str) -> pd.DataFrame | None:
    """The checked rows of a split, from the store that the run lies in."""
    import pandas as pd

    for folder in finished_below(run.beside(SPLITS)):
        # Gone or damaged: the hash alone tells that the rows are others.
        with suppress(DamagedError, OSError, ValueError):
            if folder.key == run.keys.get("splits", ""):
                return pd.read_parquet(BytesIO(folder.read(f"{split}.parquet")))
    return None


def changed_rows(then: pd.DataFrame, now: pd.DataFrame) -> int:
    """How many rows are not in both, wherever they stand; their numbers do not count."""
    before, after = (
        Counter[Any](frame[sorted({*frame} - {"idx"})].itertuples(index=False, name=None))
        for frame in (then, now)
    )
    return max((before - after).total(), (after - before).total())
