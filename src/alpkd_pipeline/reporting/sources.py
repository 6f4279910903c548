"""What the tables and pictures of a comparison share: computed once, then only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.reporting.collect import Evidence
from alpkd_pipeline.reporting.statistics.arms import NEEDED, Row, TaskDepth, arms, by_task_depth
from alpkd_pipeline.reporting.statistics.judge import Judge, LabelledPredictions, first_questions
from alpkd_pipeline.reporting.statistics.power import add_detectable
from alpkd_pipeline.reporting.statistics.predictions import labels_and_predictions
from alpkd_pipeline.reporting.statistics.scores import constant_score
from alpkd_pipeline.reporting.statistics.verdict import best, verdicts
from alpkd_pipeline.reporting.store import RunCurves, RunRecord, run_curves, teacher_model
from alpkd_pipeline.reporting.tables.runs import means_table
from alpkd_pipeline.reporting.tables.scores import main_lines, score_tables
from alpkd_pipeline.reporting.tables.table import Table, anchor, depth, listed
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sources:
    """A store's evidence, `gather`'s, with everything that is computed from it."""

    evidence: Evidence

    @cached_property
    def experiments(self) -> pd.DataFrame:
        """The runs that count and have a score."""
        experiments = self.evidence.experiments
        return experiments[experiments["score"].notna()]

    @cached_property
    def found(self) -> list[Row]:
        """The arms in the order of the runs."""
        return arms(self.records)

    @cached_property
    def records(self) -> list[dict[Any, Any]]:
        """What arms are made of, for each run."""
        told = self.experiments[[*NEEDED, "rows"]].astype(object)
        return list(told.where(told.notna(), None).to_dict("records"))

    @cached_property
    def arms(self) -> list[Row]:
        """The arms in the order of the methods' table."""
        return sorted(self.found, key=lambda a: (a["task"], -a["layers"], self.rank(a)))

    @cached_property
    def lines(self) -> list[Row]:
        """Of `main_lines`."""
        collapsed = [key for key, same in self.judge.collapsed.items() if same]
        return main_lines(self.experiments, self.found, self.bests, self.constants, collapsed)

    @cached_property
    def constants(self) -> dict[str, float]:
        """Task -> the score of whoever answers every dev row with the larger class, or the mean."""
        found: dict[str, float] = {}
        runs = self.experiments[["task", "metric", "key"]]
        for task, metric, key in runs.itertuples(index=False):
            if task not in found and key in self.predictions:
                found[task] = constant_score(metric, self.predictions[key].labels)
        return found

    @cached_property
    def last_epoch(self) -> dict[str, float]:
        """Key of a run -> its primary score after its last epoch, as the event log has it, in the
        precision of the training; where that epoch was the best one, the score itself.
        """
        found: dict[str, float] = {}
        for key, score in zip(self.experiments["key"], self.experiments["score"], strict=True):
            scores, metrics = self.curves[key].scores, self.evidence.students[key].metrics
            if scores:
                best = metrics.get("best_epoch") == metrics.get("epochs")
                found[key] = float(score) if best else scores[-1][1]
        return found

    @cached_property
    def score_tables(self) -> list[tuple[str, Table]]:
        """Of `score_tables`."""
        return list(score_tables(self.lines, self))

    @cached_property
    def means_tables(self) -> dict[str, Table]:
        """Task -> of `means_table`."""
        return {task: means_table(self, task) for task in self.tasks}

    @cached_property
    def verdicts(self) -> list[Row]:
        """Of `verdicts`, with what each could have seen."""
        return add_detectable(verdicts(self.judge), self.judge.plan)

    @cached_property
    def predictions(self) -> dict[str, LabelledPredictions]:
        """Key of a run -> what it said to the dev rows, wherever that was kept."""
        students, seen = self.evidence.students, list[list[float]]()
        found = {key: _predictions_of(students[key], seen) for key in self.experiments["key"]}
        return {key: said for key, said in found.items() if said is not None}

    def of_claim(self, key: str) -> bool:
        """Whether a student or a teacher is known from a claim alone."""
        run = self.evidence.students.get(key) or self.evidence.teachers[key]
        return run.store != self.evidence.store

    @cached_property
    def judge(self) -> Judge:
        """The tests of the arms."""
        return Judge(self.found, self.evidence.plan, self.predictions, self.evidence.looks)

    @cached_property
    def first_questions(self) -> list[Row]:
        """Of `first_questions`."""
        return first_questions(self.judge)

    @cached_property
    def bests(self) -> list[Row]:
        """Of `best`."""
        return best(self.judge)

    @cached_property
    def marks(self) -> dict[str, str]:
        """Label of an arm -> the name of its mark, for `canvas.mark_of`; in the methods' order."""
        found: dict[str, str] = {}
        for arm in sorted(self.arms, key=self.rank):
            method, label = str(arm["method"]), str(arm["label"])
            others = sum("#" in name for name in found.values())
            mark = f"{method}#{others + 1}" if method in found.values() else method
            found.setdefault(label, mark)
        return found

    @staticmethod
    def rank(row: Mapping[Any, Any]) -> tuple[int, str]:
        """A method's place in every list."""
        method, order = str(row["method"]), list(METHODS)
        place = order.index(method) if method in order else len(order)
        return place, str(row.get("label", method))

    @cached_property
    def task_depths(self) -> list[TaskDepth]:
        """Every task and depth, the deepest students first."""
        return sorted(self.by_task_depth, key=lambda place: (-place[1], place[0]))

    @cached_property
    def depths(self) -> list[int]:
        """The numbers of layers, the most first."""
        return list(dict.fromkeys(layers for _, layers in self.task_depths))

    @cached_property
    def tasks(self) -> list[str]:
        """The tasks by name."""
        return sorted({task for task, _ in self.task_depths})

    @cached_property
    def methods(self) -> list[str]:
        """The methods in the order of their table."""
        found = {str(arm["method"]) for arm in self.arms}
        return sorted(found, key=lambda method: self.rank({"method": method}))

    @cached_property
    def by_task_depth(self) -> dict[TaskDepth, list[Row]]:
        """The arms of every task and depth, in the order of the methods' table."""
        return by_task_depth(self.arms)

    @cached_property
    def arm_of(self) -> dict[str, str]:
        """Key of a run -> its arm."""
        return {key: arm["arm"] for arm in self.arms for key in arm["runs"]}

    @cached_property
    def curves(self) -> dict[str, RunCurves]:
        """Key of a run -> what its event log tells."""
        runs = {key: self.evidence.students[key] for key in self.arm_of}
        return {key: run_curves(run.path, run.primary_metric) for key, run in runs.items()}

    @cached_property
    def on_errors(self) -> str:
        """What a reader of scores must know where errors are among them; else nothing."""
        names = sorted(filter(is_error, self.experiments["metric"].unique()))
        if not names:
            return ""
        return (
            f" Of {listed(names)} less is better; errors are in the unit of the labels, so neither"
            " in percent nor in points, nor part of averages."
        )

    @cached_property
    def teacher_models(self) -> list[str]:
        """The models of the teachers, by name."""
        students = self.evidence.students
        runs = [students[key].run["params"] for key in self.experiments["key"]]
        return sorted({teacher_model(params) for params in runs})

    def students(self, arm: Row) -> list[RunRecord]:
        """The runs of an arm, by their seeds."""
        found = [self.evidence.students[key] for key in arm["runs"]]
        return sorted(found, key=lambda record: int(record.run["params"]["seed"]))

    def runs_at(self, place: TaskDepth) -> pd.DataFrame:
        """The runs of a task and depth."""
        (task, layers), runs = place, self.experiments
        return runs[(runs["task"] == task) & (runs["layers"] == layers)]

    def teacher_scores(self, place: TaskDepth) -> list[float]:
        """The scores of the teachers of a task and depth, each teacher once."""
        here = self.runs_at(place).dropna(subset=["teacher_score"])
        return [float(score) for score in here.drop_duplicates("teacher_key")["teacher_score"]]

    def teacher_layers(self, layers: int) -> int | None:
        """The depth of the teachers of these students, if it is one and known."""
        runs = self.experiments
        found = runs.loc[runs["layers"] == layers, "teacher_layers"].dropna().unique()
        return int(found[0]) if len(found) == 1 else None

    def depth(self, layers: int) -> str:
        """`3 of 6 layers`."""
        return depth(layers, self.teacher_layers(layers))

    def title(self, place: TaskDepth) -> str:
        """`mrpc, 3 of 6 layers`."""
        return f"{place[0]}, {self.depth(place[1])}"

    @cached_property
    def labels(self) -> dict[int, list[str]]:
        """The labels of the arms of every depth, in the order of the methods' table."""
        ranked = sorted(self.arms, key=self.rank)
        return {
            layers: list(dict.fromkeys(a["label"] for a in ranked if a["layers"] == layers))
            for layers in self.depths
        }

    def label_id(self, layers: int, label: str) -> str:
        """What the runs of a label at one depth are found by in the list of runs."""
        return f"method-{layers}-{self.labels[layers].index(label)}"

    def runs_of(self, keys: Sequence[str]) -> str:
        """A link to the rows of some runs in the list of runs: to their arm, if they are of one."""
        found = {self.arm_of.get(key) for key in keys}
        if len(found) == 1 and None not in found:
            return f"#{anchor('arm', *found)}"
        first = [*filter(self.evidence.teachers.__contains__, keys), *keys][:1]
        return f"#{anchor('run', *first)}" if first else ""


def _predictions_of(run: RunRecord, seen: list[list[float]]) -> LabelledPredictions | None:
    """The answers behind a run's scores; none where a file has another shape.

    Runs of the same rows share one list of `seen` labels: then they need not be compared again.
    """
    for folder in (*run.scored, run):
        file = folder.predictions(run.dev_split)
        if file is not None:
            with suppress(ValueError):
                labels, predictions = labels_and_predictions(file)
                same = next((known for known in seen if known == labels), labels)
                seen += [same] if same is labels else []
                return LabelledPredictions(same, predictions)
    return None
