"""The embedded demo task: made-up sentences with a sentiment, shipped in `demo_sentences`.

Train has 2,500 rows, half of them short phrases, a tenth with the wrong label: only where labels
are noisy does a teacher's softer opinion help a student. Dev (1,000 rows) and test (500 rows,
labels hidden) are clean sentences of depth 1 to 3. 2,000 more are drawn as train is and have no
label; a run must ask for them. `scripts/demo_language.py` wrote the files and explains the rest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.tasks.task import UNLABELLED, Task

if TYPE_CHECKING:
    import pandas as pd

TASK = Task(
    name="demo",
    kind="classification",
    text_columns=("sentence",),
    label_names=("negative", "positive"),
    metrics=("accuracy", "f1"),
)

FOLDER = Path(__file__).with_name("demo_sentences")


def load(unlabelled: bool = False) -> dict[str, pd.DataFrame]:
    """Read `train`, `dev` and `test`, and `unlabelled` if it is wanted, the same for every seed.

    Each has the columns sentence (str), label (int64, -1 where there is none) and idx (int64,
    counted from 0). No sentence occurs twice, in one split or in two.
    """
    import pandas as pd

    frames = {s: pd.read_csv(FOLDER / f"{s}.tsv", sep="\t") for s in _splits(unlabelled)}
    return {
        split: frame[["sentence", "label"]].assign(idx=range(len(frame)))
        for split, frame in frames.items()
    }


def _splits(unlabelled: bool) -> tuple[str, ...]:
    return ("train", "dev", "test", *([UNLABELLED] if unlabelled else []))


def digest(unlabelled: bool = False) -> str:
    """The sha256 of all rows, each behind its split's name; of the rows and not of the files, so
    that results from before there were files keep their data."""
    hashed = hashlib.sha256()
    for split in _splits(unlabelled):
        for row in (FOLDER / f"{split}.tsv").read_text("utf-8").splitlines()[1:]:
            hashed.update(f"{split}\t{row}\n".encode())
    return hashed.hexdigest()
