"""The embedded demo task: made-up sentences with a sentiment, generated on the spot.

Train has 2,500 rows, half of them short phrases, a tenth with the wrong label: only where labels
are noisy does a teacher's softer opinion help a student. Dev (1,000 rows) and test (500 rows,
labels hidden) are clean sentences of depth 1 to 3. `demo_language` explains the sentences.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.demo_language import POLARITIES, LabelledSentence, sentences
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, Task

if TYPE_CHECKING:
    import pandas as pd

TASK = Task(
    name="demo",
    kind="classification",
    text_columns=("sentence",),
    label_names=POLARITIES,
    metrics=("accuracy", "f1"),
)

TRAIN_ROWS, DEV_ROWS, TEST_ROWS = 2500, 1000, 500
DEV_SEED, TEST_SEED = -1, -2
SHORT_SHARE = 0.5
LABEL_NOISE = 0.1


def load(seed: int = 0) -> dict[str, pd.DataFrame]:
    """Generate the task's splits.

    The seed chooses the training sentences and their wrong labels; dev and test are always the
    same. It is not the seed of a run: all runs share the data of seed 0.

    Returns:
        `train`, `dev` and `test`, each with the columns sentence (str), label (int64, -1 in test)
        and idx (int64, counted from 0). No sentence occurs twice, in one split or in two.
    """
    import pandas as pd

    return {
        split: pd.DataFrame(
            {
                "sentence": [row.text for row in rows],
                "label": pd.Series([row.label for row in rows], dtype="int64"),
                "idx": pd.RangeIndex(len(rows)).astype("int64"),
            }
        )
        for split, rows in generate(seed).items()
    }


@cache
def digest(seed: int = 0) -> str:
    """The sha256 of everything that `load(seed)` holds: it changes when a generated row does."""
    hashed = hashlib.sha256()
    for split, rows in generate(seed).items():
        for row in rows:
            hashed.update(f"{split}\t{row.label}\t{row.text}\n".encode())
    return hashed.hexdigest()


def generate(seed: int = 0) -> dict[str, list[LabelledSentence]]:
    """The rows of `load`, as plain values."""
    if seed < 0:
        raise UserError(f"the demo task has no training data of seed {seed}; give 0 or more")
    dev = sentences(DEV_ROWS, DEV_SEED)
    test = sentences(TEST_ROWS, TEST_SEED, exclude={row.text for row in dev})
    train = sentences(
        TRAIN_ROWS,
        seed,
        short_share=SHORT_SHARE,
        label_noise=LABEL_NOISE,
        exclude={row.text for row in (*dev, *test)},
    )
    hidden = [LabelledSentence(row.text, HIDDEN_LABEL) for row in test]
    return {"train": train, "dev": dev, "test": hidden}
