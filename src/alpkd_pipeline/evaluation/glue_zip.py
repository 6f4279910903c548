"""A submission to GLUE's leader board: the tables of one evaluated student of each task.

The site takes eleven tables of fixed names and refuses a zip that lacks one: ten of the nine tasks,
and AX, a diagnostic set that the MNLI model answers (https://gluebenchmark.com/faq).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alpkd_pipeline.errors import UserError, some
from alpkd_pipeline.store.diff import block, differences, flat
from alpkd_pipeline.store.layout import SCORES, STUDENTS, experiment_keys, sweep_records
from alpkd_pipeline.store.run_folder import RunFolder, finished_below
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.task import HIDDEN_LABEL

AX = "AX.tsv"
AX_ROWS = 1_104
AX_COLUMNS = ("index", "sentence1", "sentence2")

Command = Callable[[str, RunFolder | None], str]
"""What makes and evaluates the student of a task, or evaluates the one that there is."""


class _MissingError(Exception):
    """A task has nothing to submit, for the reason that it says."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What there is to submit, and what there is not."""

    files: dict[str, bytes] = field(default_factory=dict)  # by their names in the zip
    students: dict[str, RunFolder] = field(default_factory=dict)  # task -> who answered
    missing: dict[str, str] = field(default_factory=dict)  # task -> why it has no table


def gather(
    store: Path, params: Mapping[str, Any], only: Sequence[str], command: Command
) -> Submission:
    """The tables of the students that have some parameters, given by their dotted names.

    Where several have, `only` chooses: by `training.lr=0.001`, or by the first digits of keys.

    Raises:
        DamagedError: a folder is not what was written.
    """
    found, cells = Submission(), experiment_keys(sweep_records(store))

    def meant(folder: RunFolder) -> bool:
        run = folder.unchecked_run
        trial = block(run, "identity").get("generation") == "trial"
        # A trial of a search is meant where a sweep has it too.
        said = flat(block(run, "params")).items()
        return params.items() <= said and (not trial or folder.key in cells)

    for task in GLUE:
        fitting = filter(meant, finished_below(store / STUDENTS / task))
        try:
            student = _chosen([*{folder.key: folder for folder in fitting}.values()], only)
            if student is None:
                words = [f"{name}={value}" for name, value in params.items()]
                words += [part for part in only if "=" in part]
                told = f"no student has {', '.join(words)}; `{command(task, None)}` makes one"
                raise _MissingError(told)
            found.files.update(_tables(student, task, command))
            found.students[task] = student
        except _MissingError as error:
            found.missing[task] = str(error)
    return found


def _chosen(folders: Sequence[RunFolder], only: Sequence[str]) -> RunFolder | None:
    for part in only:
        name, equals, value = part.partition("=")
        if equals:
            folders = [f for f in folders if str(flat(f.run["params"]).get(name)) == value]
        else:  # the key of a student of one task says nothing about the others
            folders = [f for f in folders if f.key.startswith(part)] or folders
    if len(folders) < 2:
        return next(iter(folders), None)
    apart = differences(*(folder.run["params"] for folder in folders))
    told = [
        " ".join([folder.path.name, *(f"{name}={apart[name][at]}" for name in [*apart][:3])])
        for at, folder in enumerate(folders)
    ]
    ways = [f"--only={name}={values[0]}" for name, values in [*apart.items()][:1]]
    raise _MissingError(
        f"{len(folders)} students fit{'' if apart else ', of other data or code'}"
        f" ({some(told)}); choose one: {' or '.join([*ways, f'--only={folders[0].key[:8]}'])}"
    )


def _tables(student: RunFolder, task: str, command: Command) -> Mapping[str, bytes]:
    evaluations, glue, name = student.results(SCORES[1]), GLUE[task], student.path.name
    if not evaluations:
        raise _MissingError(f"{name} is not evaluated; `{command(task, student)}` does it")
    places = {table: f"submission/{table}" for table in glue.submission.values()}
    whole = next((e for e in evaluations if all(map(e.has, places.values()))), None)
    if whole is None:
        splits = " and ".join(f"{split} ({rows:,} rows)" for split, rows in glue.test_rows.items())
        raise _MissingError(
            f"{name} was evaluated without GLUE's whole {splits}: put that into the task's data,"
            f" then `{command(task, student)}`"
        )
    return {table: whole.read(place) for table, place in places.items()}


def predict_ax(student: RunFolder, diagnostic: Path) -> bytes:
    """AX.tsv: what a student of MNLI says of GLUE's diagnostic sentences.

    Raises:
        UserError: the file is not GLUE's diagnostic.tsv.
        DamagedError: the student is not what was written.
    """
    import pandas as pd

    from alpkd_pipeline.evaluation.score import score_splits
    from alpkd_pipeline.models.encoder import load_tokenizer
    from alpkd_pipeline.tasks.encode import encode_splits
    from alpkd_pipeline.tasks.sources.raw import read_tsv
    from alpkd_pipeline.training.devices import resolve_hardware
    from alpkd_pipeline.training.run_config import read_config

    cells, numbers = read_tsv(diagnostic, AX_COLUMNS).cells, [str(i) for i in range(AX_ROWS)]
    if cells.keys() != set(AX_COLUMNS) or cells["index"] != numbers:
        raise UserError(
            f"{diagnostic} is not diagnostic.tsv of the GLUE download: that has the columns"
            f" {', '.join(AX_COLUMNS)} and {AX_ROWS:,} rows, from 0"
        )
    student.verify()
    run, glue = read_config(student.path), GLUE["mnli"]
    texts = dict(zip(glue.task.text_columns, (cells["sentence1"], cells["sentence2"]), strict=True))
    frame = pd.DataFrame({**texts, "label": HIDDEN_LABEL, "idx": range(AX_ROWS)})
    with TemporaryDirectory() as name:
        work, most = Path(name), run.max_length
        encode_splits({"ax": frame}, run.task, load_tokenizer(student.path), most, work)
        on = resolve_hardware(run.training.device, "fp32", run.training.threads)
        size = run.training.eval_batch_size
        score_splits(student.path, work, run.task, work, on, splits=["ax"], batch_size=size)
        predictions = pd.read_csv(work / "predictions" / "ax.csv")["prediction"]
    lines = [f"{i}\t{glue.submission_words[answer]}\n" for i, answer in enumerate(predictions)]
    return f"index\tprediction\n{''.join(lines)}".encode()
