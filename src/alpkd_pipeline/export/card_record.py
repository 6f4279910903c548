"""What a card tells: read from the published folder and from the store that it lies in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alpkd_pipeline.distillation.method_spec import MethodSpec
from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.limits import share_limits
from alpkd_pipeline.models.source import DEMO, PACKAGE, ModelRef, kind_of
from alpkd_pipeline.reporting.grouping import StudyFinding, findings, metadata_but_seed, study_of
from alpkd_pipeline.reporting.statistics.predictions import one_pair
from alpkd_pipeline.reporting.statistics.summary import LEVEL, SeedSummary, seed_summary
from alpkd_pipeline.reporting.store import RunRecord, finished_runs
from alpkd_pipeline.store.layout import STUDENTS, TEACHERS, search_records
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, RunFolder
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET
from alpkd_pipeline.tasks.metrics import METRICS, score_predictions
from alpkd_pipeline.tasks.sources.hub import HubRef, resolve
from alpkd_pipeline.tasks.task import SourceSpec
from alpkd_pipeline.training.run_config import RunConfig, read_config


@dataclass(frozen=True, slots=True)
class Base:
    """An encoder that the model comes from, as far as strangers may know it."""

    name: str  # a hub id, or what it is in words: the path of a folder is nobody's business
    revision: str | None  # of a hub id the commit, which makes it one
    licence: str | None  # what its own card says; None: it says nothing, or has none


@dataclass(frozen=True, slots=True)
class Score:
    """A score on a dev split. Whatever is not known is None."""

    split: str
    metric: str
    rows: int
    served: float  # of the form that is served
    interval: tuple[float, float] | None  # of that, 95 % over rows; of the first metric only
    torch: float | None  # of the model in torch, before temperature and threshold
    seeds: SeedSummary | None  # the same over seeds; None where the store does not have it
    teacher: float | None  # of a student's teacher in torch


@dataclass(frozen=True, slots=True)
class CardRecord:
    """All that is told of a published model."""

    run: RunConfig
    made: Mapping[str, Any]  # run.json as it stands
    files: Mapping[str, Any]  # name of a JSON file without its ending -> what it says
    method: MethodSpec | None  # of a student
    data: HubRef | None  # the data set of the hub that it was trained on, if it was one
    language: str | None  # English for GLUE's own data; of other data nobody said it
    licence: str | None  # in the cards of all models that it comes from, if that is one
    model: RunRecord
    teacher: RunRecord | None  # of a student; None: the model is a teacher
    seeds: tuple[int, ...]  # of the finished models that differ in nothing but the seed, with its
    scores: tuple[Score, ...]
    # of the served form on all dev rows, and the labels
    predictions: tuple[list[float], list[float]]
    bases: tuple[Base, ...]  # first that in which its weights began, then the teacher's
    search: StudyFinding | None  # the search that found its numbers
    provenance: Mapping[str, Mapping[str, Any]]  # of the models and of the export, by stage


def read_record(folder: Path) -> CardRecord:
    """Read them from a published folder, or one that becomes one, in its store; UserError if a
    folder that it was made from is not there, or is damaged."""
    run, made, store = read_config(folder), read_json(folder / RUN_CONFIG), RunFolder(folder).store
    of_student, keys = run.stage.startswith("student"), made["identity"]["keys"]
    teachers = {found.key: found for found in finished_runs(store, TEACHERS)}
    students = {r.key: r for r in finished_runs(store, STUDENTS)} if of_student else {}
    teacher = _of(teachers, keys["teacher"], store)
    model = _of(students, keys["student"], store) if of_student else teacher
    # A teacher's parameters hold the student that it was first trained for, so it stands alone.
    same = [r for r in students.values() if metadata_but_seed(r) == metadata_but_seed(model)]
    own_teacher = teacher if of_student else None
    frame = pd.read_csv(folder / "predictions" / "dev.csv", dtype={"row": str})
    task, fields = run.params["task"], ("dataset", "config", "revision", "files")
    data, glue = None, task["source"] == "folder"
    if task["source"] == "hub":
        data = resolve(SourceSpec("hub", **{name: task[name] for name in fields}), run.task)
        glue = data.dataset == HUB_DATASET
    bases = _bases(run, model, teacher)
    licences = {base.licence for base in bases}
    names = ("export", "gate", "speed", "calibration", "config")
    seeds = tuple(sorted(record.run["params"]["seed"] for record in same)) or (run.seed,)
    return CardRecord(
        run=run,
        made=made,
        files={name: read_json(folder / f"{name}.json") for name in names},
        method=get_spec(run.params["method"]["name"]) if of_student else None,
        data=data,
        language="en" if glue and run.task.name in GLUE else None,
        licence=licences.pop() if len(licences) == 1 else None,
        model=model,
        teacher=own_teacher,
        seeds=seeds,
        scores=tuple(_scores(run, frame, model, same, own_teacher)),
        predictions=(frame["prediction"].tolist(), frame["label"].tolist()),
        bases=tuple(bases),
        search=study_of(model.run, findings(search_records(store))) if of_student else None,
        provenance={model.run["stage"]: model.provenance, "teacher": teacher.provenance}
        | {run.stage: made["provenance"]},
    )


def _of(records: Mapping[str, RunRecord], key: str, store: Path) -> RunRecord:
    if key not in records:
        raise UserError(
            f"{store} has no finished model {key[:8]} that can be read, of which a card is to tell:"
            " make it again"
        )
    return records[key]


def _scores(
    run: RunConfig,
    frame: pd.DataFrame,
    model: RunRecord,
    same: list[RunRecord],
    teacher: RunRecord | None,
) -> list[Score]:
    task, scores = run.task, list[Score]()
    for split in task.dev_splits:
        one = len(task.dev_splits) == 1
        here = frame if one else frame[frame["row"].str.rpartition(" ")[0] == split]
        given, labels = here["prediction"].to_numpy(), here["label"].to_numpy()
        for metric, value in score_predictions(task, given, labels).items():
            name = f"{split}.{metric}"
            over = [record.scores[name] for record in same if name in record.scores]
            first = metric == task.primary_metric and len(labels) > 1
            scores.append(
                Score(
                    split=split,
                    metric=metric,
                    rows=len(labels),
                    served=value,
                    interval=over_rows(metric, given, labels) if first else None,
                    torch=model.scores.get(name),
                    seeds=seed_summary(over) if len(over) > 1 else None,
                    teacher=teacher.scores.get(name) if teacher else None,
                )
            )
    return scores


def over_rows(metric: str, given: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the score of answers (N,) to labels (N,), over rows: exact for accuracy
    (Clopper and Pearson); else a bootstrap of the distance to a model without fault. A resample of
    one label only, as there are of very few rows, counts as without fault."""
    if metric == "accuracy":
        return share_limits(int((given == labels).sum()), len(labels), (1 + LEVEL) / 2)
    best, pair = METRICS[metric](labels, labels), one_pair(metric, labels, given, labels)
    return best + pair.low, best + pair.high


def _bases(run: RunConfig, model: RunRecord, teacher: RunRecord) -> list[Base]:
    """The encoder of the teacher; before it that of a student that begins as another's part."""
    asked, student = run.params["teacher"], run.params.get("student") or {}
    bases = [_base(ModelRef(asked["model"], asked["revision"]), teacher, "model")]
    if run.stage.startswith("student") and student["init"] == "checkpoint":
        own = ModelRef(student["checkpoint"], student["checkpoint_revision"])
        bases.insert(0, _base(own, model, "checkpoint"))
    return bases


def _base(ref: ModelRef, record: RunRecord, name: str) -> Base:
    licence = _licence(read_config(record.path).inputs.get(name))
    try:
        kind = kind_of(ref, Path())
    except UserError:  # a folder of the project, seen from elsewhere
        kind = "folder"
    if kind == "hub" and ref.revision:
        return Base(ref.model, ref.revision, licence)
    names = {
        DEMO: "the demo encoder of the package alpkd_pipeline",
        "package": f"the model {ref.model.removeprefix(PACKAGE)} of an installed package",
    }
    folder = f"a model in a local folder called {Path(ref.model).name}"
    return Base(names.get(kind, folder), None, licence)


def _licence(folder: Path | None) -> str | None:
    """What the card of a model says, if one lies beside its weights."""
    from huggingface_hub import metadata_load
    from yaml import YAMLError

    try:
        licence = (metadata_load(folder / "README.md") or {}).get("license") if folder else None
    except (OSError, ValueError, YAMLError):
        return None
    return licence if isinstance(licence, str) and licence else None
