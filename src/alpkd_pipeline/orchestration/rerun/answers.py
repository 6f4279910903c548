"""The answers of two models to the same examples."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath
from typing import TYPE_CHECKING

from alpkd_pipeline.runs.finished import DamagedError, FinishedFolder

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class AnswerComparison:
    """The answers of both to the same examples.

    Attributes:
        name: the file, `training/dev` or `scores/dev`.
        rows: how many examples the original answered; None if one of them cannot be read.
        differing: examples that were answered differently.
        unequal: rows that are not the same text, probabilities included.
        same_examples: whether both answered the same examples, in the same order.
    """

    name: str
    rows: int | None
    differing: int = 0
    unequal: int = 0
    same_examples: bool = True

    @property
    def equal(self) -> bool:
        """Whether both files say the same."""
        return self.rows is not None and self.same_examples and not self.unequal


def answers_of(
    where: str, then: FinishedFolder | None, now: FinishedFolder | None
) -> list[AnswerComparison]:
    """Compare every table of answers that the original has.

    Args:
        where: what the tables are called, before their names.
        then: the original's folder, or None if there is none.
        now: the rerun's.
    """
    if then is None or now is None:
        return []
    return [
        compare_answers(f"{where}/{PurePath(file).stem}", then, now, file)
        for file in sorted(then.manifest["files"])
        if PurePath(file).match("predictions/*.csv")
    ]


def compare_answers(
    name: str, then: FinishedFolder, now: FinishedFolder, file: str
) -> AnswerComparison:
    """Compare two tables of answers.

    Args:
        name: what they are called.
        then: the original's folder.
        now: the rerun's.
        file: the table's name in both.
    """
    import pandas as pd

    try:
        before = pd.read_csv(BytesIO(then.read(file)), dtype=str)
        after = pd.read_csv(BytesIO(now.read(file)), dtype=str)
        return _compare_frames(name, before, after)
    except (DamagedError, OSError, ValueError, KeyError):
        return AnswerComparison(name, None)


def _compare_frames(name: str, then: pd.DataFrame, now: pd.DataFrame) -> AnswerComparison:
    if not then[["idx", "label"]].equals(now[["idx", "label"]]) or list(then) != list(now):
        return AnswerComparison(name, len(then), same_examples=False)
    return AnswerComparison(
        name,
        len(then),
        differing=int((then["prediction"] != now["prediction"]).sum()),
        unequal=int((then != now).any(axis=1).sum()),
    )
