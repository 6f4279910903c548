"""The nine GLUE tasks: columns, labels, metrics, and how the hub and the original files name them.

Label orders are those of the Hugging Face data set `nyu-mll/glue`, so that checkpoints fine-tuned
on it fit. File layouts and submission words are those of the original GLUE download and of
gluebenchmark.com (Wang et al. 2019, https://arxiv.org/abs/1804.07461).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alpkd_pipeline.tasks.task import Task

HUB_DATASET = "nyu-mll/glue"
HUB_REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"


@dataclass(frozen=True, slots=True)
class TsvFile:
    """One file of the original download, and where each of our columns is in it.

    Columns are names out of the header; positions (from 0) mean that there is no header.
    """

    name: str
    columns: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class GlueTask:
    """One GLUE task and the names that others have for its parts."""

    task: Task  # the task itself; its name is that of the configuration of the hub data set
    folder: str  # the folder of the original download, also the stem of the submission file
    tsv: Mapping[str, TsvFile]  # our split -> file of the original download
    hub_splits: Mapping[str, str]  # our split -> that of the hub, the stem of its parquet files
    test_rows: Mapping[str, int]  # test split -> its rows; the leader board refuses other numbers
    submission: Mapping[str, str]  # test split -> file name inside a leader board submission
    # what a submission writes for each class, in label order; empty for a regression, which writes
    # the number
    submission_words: tuple[str, ...] = ()
    # the published train and dev files hold rows without a text; these are left out, as no model
    # can learn from them
    broken_rows: bool = False


_PAIR = ("sentence1", "sentence2")
_ENTAILMENT = ("entailment", "not_entailment")
HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_MNLI_SPLITS = {
    "train": "train",
    "dev": "validation_matched",
    "dev_mismatched": "validation_mismatched",
    "test": "test_matched",
    "test_mismatched": "test_mismatched",
}


def _glue(
    task: Task,
    folder: str,
    *test_rows: int,
    columns: Mapping[str, str] | None = None,
    hub_splits: Mapping[str, str] = HUB_SPLITS,
    **others: Any,
) -> GlueTask:
    """A row of the table, with the most common values where nothing else is said.

    `columns` maps our columns to those of the TSV files. Files are called train.tsv, dev.tsv and
    test.tsv with a header, the splits the usual three, the submission one file named like the
    folder that writes class ids.
    """
    names = {name: (columns or {}).get(name, name) for name in (*task.text_columns, "label")}
    usual = {
        "tsv": {
            ours: TsvFile(f"{theirs.replace('validation', 'dev')}.tsv", names)
            for ours, theirs in hub_splits.items()
        },
        "submission": {"test": f"{folder}.tsv"},
        "submission_words": tuple(str(i) for i in range(len(task.label_names))),
    }
    rows = dict(zip(task.test_splits, test_rows, strict=True))
    return GlueTask(task, folder, hub_splits=hub_splits, test_rows=rows, **{**usual, **others})


def _classes(
    name: str, texts: tuple[str, ...], labels: tuple[str, ...], *metrics: str, **splits: Any
) -> Task:
    return Task(name, "classification", texts, labels, metrics or ("accuracy",), **splits)


_MNLI_LABELS = ("entailment", "neutral", "contradiction")
_MNLI = _classes(
    "mnli",
    ("premise", "hypothesis"),
    _MNLI_LABELS,
    dev_splits=("dev", "dev_mismatched"),
    test_splits=("test", "test_mismatched"),
)
_STSB = Task("stsb", "regression", _PAIR, (), ("pearson", "spearman"), label_range=(0.0, 5.0))
_COLA_POSITIONS = {"sentence": 3, "label": 1}

GLUE: dict[str, GlueTask] = {
    "cola": _glue(
        _classes("cola", ("sentence",), ("unacceptable", "acceptable"), "matthews"),
        "CoLA",
        1_063,
        tsv={
            "train": TsvFile("train.tsv", _COLA_POSITIONS),
            "dev": TsvFile("dev.tsv", _COLA_POSITIONS),
            "test": TsvFile("test.tsv", {"sentence": "sentence", "label": "label"}),
        },
    ),
    "sst2": _glue(_classes("sst2", ("sentence",), ("negative", "positive")), "SST-2", 1_821),
    "mrpc": _glue(
        _classes("mrpc", _PAIR, ("not_equivalent", "equivalent"), "accuracy", "f1"),
        "MRPC",
        1_725,
        columns={"sentence1": "#1 String", "sentence2": "#2 String", "label": "Quality"},
    ),
    "stsb": _glue(_STSB, "STS-B", 1_379, columns={"label": "score"}),
    "qqp": _glue(
        _classes(
            "qqp", ("question1", "question2"), ("not_duplicate", "duplicate"), "accuracy", "f1"
        ),
        "QQP",
        390_965,
        columns={"label": "is_duplicate"},
        broken_rows=True,
    ),
    "mnli": _glue(
        _MNLI,
        "MNLI",
        9_796,
        9_847,
        columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"},
        hub_splits=_MNLI_SPLITS,
        submission={"test": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"},
        submission_words=_MNLI_LABELS,
    ),
    "qnli": _glue(
        _classes("qnli", ("question", "sentence"), _ENTAILMENT),
        "QNLI",
        5_463,
        submission_words=_ENTAILMENT,
    ),
    "rte": _glue(_classes("rte", _PAIR, _ENTAILMENT), "RTE", 3_000, submission_words=_ENTAILMENT),
    "wnli": _glue(_classes("wnli", _PAIR, ("not_entailment", "entailment")), "WNLI", 146),
}
"""The nine tasks by the names that users give them."""

DEV_ROWS = {
    "cola": 1_043, "sst2": 872, "mrpc": 408, "stsb": 1_500, "qqp": 40_430, "mnli": 9_815,
    "qnli": 5_463, "rte": 277, "wnli": 71,
}  # fmt: skip
"""Rows of each task's first dev split. Not in `GlueTask`, which counts in the keys of results."""
