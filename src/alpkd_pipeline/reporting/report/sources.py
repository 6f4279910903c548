"""What the sections of the page share: computed once, then only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.reporting.collect import Evidence
from alpkd_pipeline.reporting.curves import RunCurves, run_curves
from alpkd_pipeline.reporting.report.words import MISSING, anchor, listed
from alpkd_pipeline.reporting.statistics.arms import arms
from alpkd_pipeline.reporting.statistics.verdict import verdicts
from alpkd_pipeline.reporting.tables.main import main_long
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    import pandas as pd

Row = dict[Any, Any]
Place = tuple[str, int]
"""A task and a number of layers."""


@dataclass(frozen=True)
class Sources:
    """A store's evidence with everything that is computed from it.

    Attributes:
        evidence: what `gather` read.
    """

    evidence: Evidence

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The runs that count and have a score."""
        cells = self.evidence.cells
        return cells[cells["score"].notna()]

    @cached_property
    def arms_frame(self) -> pd.DataFrame:
        """Of `arms`."""
        return arms(self.cells)

    @cached_property
    def main(self) -> pd.DataFrame:
        """Of `main_long`."""
        return main_long(self.cells, known=self.arms_frame)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """Of `verdicts`."""
        return verdicts(self.cells, known=self.arms_frame)

    @cached_property
    def arms(self) -> list[Row]:
        """The same as rows, in the order of the methods' table."""
        found: list[Row] = self.arms_frame.to_dict("records")
        return sorted(found, key=lambda arm: (arm["task"], -arm["layers"], self.rank(arm)))

    @staticmethod
    def rank(row: Mapping[Any, Any]) -> tuple[int, str]:
        """A method's place in every list."""
        method = str(row["method"])
        order = list(METHODS)
        place = order.index(method) if method in order else len(order)
        return place, str(row.get("label", method))

    @cached_property
    def places(self) -> list[Place]:
        """Every task and depth, the deepest students first."""
        found = {(str(arm["task"]), int(arm["layers"])) for arm in self.arms}
        return sorted(found, key=lambda place: (-place[1], place[0]))

    @cached_property
    def depths(self) -> list[int]:
        """The numbers of layers, the most first."""
        return list(dict.fromkeys(layers for _, layers in self.places))

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks by name."""
        return sorted({task for task, _ in self.places})

    @cached_property
    def methods(self) -> list[str]:
        """The methods in the order of their table."""
        return sorted(
            {str(arm["method"]) for arm in self.arms}, key=lambda m: self.rank({"method": m})
        )

    @cached_property
    def by_place(self) -> dict[Place, list[Row]]:
        """The arms of every task and depth."""
        found: dict[Place, list[Row]] = {place: [] for place in self.places}
        for arm in self.arms:
            found[str(arm["task"]), int(arm["layers"])].append(arm)
        return found

    @cached_property
    def arm_of(self) -> dict[str, str]:
        """Key of a run -> its arm."""
        return {key: arm["arm"] for arm in self.arms for key in arm["runs"]}

    @cached_property
    def curves(self) -> dict[str, RunCurves]:
        """Key of a run -> what its journal tells."""
        students = self.evidence.students
        return {
            key: run_curves(students[key].path, students[key].deciding_metric)
            for arm in self.arms
            for key in arm["runs"]
        }

    @cached_property
    def on_errors(self) -> str:
        """What a reader of scores must know where errors are among them; else nothing."""
        names = listed(sorted(filter(is_error, self.cells["metric"].unique())))
        said = f" Of {names} less is better; errors are in the unit of the labels, so neither in"
        return "" if names == MISSING else f"{said} percent nor in points, nor part of averages."

    def teacher_scores(self, task: str, layers: int) -> list[float]:
        """The scores of the teachers of a task and depth, each teacher once."""
        here = self.cells[(self.cells["task"] == task) & (self.cells["layers"] == layers)]
        scores = here.dropna(subset=["teacher_score"]).drop_duplicates("teacher_key")
        return [float(score) for score in scores["teacher_score"]]

    def chosen_on(self, task: str, layers: int) -> list[str]:
        """The rows that chose the best epochs of a task and depth: `dev`, `holdout`."""
        here = self.cells[(self.cells["task"] == task) & (self.cells["layers"] == layers)]
        return sorted(here["selection"].dropna().unique())

    def teacher_layers(self, layers: int) -> int | None:
        """The depth of the teachers of these students, if it is one and known."""
        found = self.cells.loc[self.cells["layers"] == layers, "teacher_layers"].dropna().unique()
        return int(found[0]) if len(found) == 1 else None

    @cached_property
    def labels(self) -> dict[int, list[str]]:
        """The labels of the arms of every depth, in the order of the methods' table."""
        found: dict[int, dict[str, Row]] = {layers: {} for layers in self.depths}
        for arm in self.arms:
            found[int(arm["layers"])].setdefault(str(arm["label"]), arm)
        return {
            layers: sorted(rows, key=lambda label: self.rank(rows[label]))
            for layers, rows in found.items()
        }

    def label_id(self, layers: int, label: str) -> str:
        """What the runs of a label at one depth are found by in the list of runs."""
        return f"method-{layers}-{self.labels[layers].index(label)}"

    def runs_of(self, keys: Sequence[str]) -> str:
        """A link to the rows of some runs in the list of runs: to their arm, if they are of one."""
        found = {self.arm_of.get(key) for key in keys}
        if len(found) == 1 and None not in found:
            return f"#{anchor('arm', *found)}"
        teachers = [key for key in keys if key in self.evidence.teachers]
        if teachers:
            return f"#{anchor('run', teachers[0])}"
        return f"#{anchor('run', keys[0])}" if keys else ""
