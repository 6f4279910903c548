from pathlib import Path

import pytest
from pyarrow.parquet import read_metadata
from tests.real_glue import real_glue

from alpkd_pipeline.tasks.glue import DEV_ROWS, GLUE, HUB_REVISION
from alpkd_pipeline.tasks.metrics import check_metrics
from alpkd_pipeline.tasks.sources.folder import find_files
from alpkd_pipeline.tasks.task import SourceSpec


def test_the_nine_tasks() -> None:
    nine = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli"]
    assert list(GLUE)[:9] == nine
    assert GLUE["mnli"].test_rows == {"test": 9_796, "test_mismatched": 9_847}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("cola", ("unacceptable", "acceptable")),
        ("sst2", ("negative", "positive")),
        ("mrpc", ("not_equivalent", "equivalent")),
        ("qqp", ("not_duplicate", "duplicate")),
        ("mnli", ("entailment", "neutral", "contradiction")),
        ("qnli", ("entailment", "not_entailment")),
        ("rte", ("entailment", "not_entailment")),
        ("wnli", ("not_entailment", "entailment")),
    ],
)
def test_label_order_is_the_hubs(name: str, labels: tuple[str, ...]) -> None:
    assert GLUE[name].task.label_names == labels


@pytest.mark.parametrize(
    ("name", "texts", "metrics"),
    [
        ("cola", ("sentence",), ("matthews",)),
        ("sst2", ("sentence",), ("accuracy",)),
        ("mrpc", ("sentence1", "sentence2"), ("accuracy", "f1")),
        ("stsb", ("sentence1", "sentence2"), ("pearson", "spearman")),
        ("qqp", ("question1", "question2"), ("accuracy", "f1")),
        ("mnli", ("premise", "hypothesis"), ("accuracy",)),
        ("qnli", ("question", "sentence"), ("accuracy",)),
        ("rte", ("sentence1", "sentence2"), ("accuracy",)),
        ("wnli", ("sentence1", "sentence2"), ("accuracy",)),
    ],
)
def test_columns_and_metrics(name: str, texts: tuple[str, ...], metrics: tuple[str, ...]) -> None:
    assert GLUE[name].task.text_columns == texts
    assert GLUE[name].task.metrics == metrics


def test_stsb_is_a_regression_from_0_to_5() -> None:
    task = GLUE["stsb"].task
    assert (task.kind, task.label_range, task.num_labels) == ("regression", (0.0, 5.0), 1)
    assert GLUE["stsb"].submission_words == ()
    assert GLUE["stsb"].tsv["train"].columns["label"] == "score"


def test_mnli_has_two_dev_and_two_test_splits() -> None:
    row = GLUE["mnli"]
    assert row.task.dev_splits == ("dev", "dev_mismatched")
    assert row.task.test_splits == ("test", "test_mismatched")
    assert row.hub_splits["dev_mismatched"] == "validation_mismatched"
    assert {split: file.name for split, file in row.tsv.items()} == {
        "train": "train.tsv",
        "dev": "dev_matched.tsv",
        "dev_mismatched": "dev_mismatched.tsv",
        "test": "test_matched.tsv",
        "test_mismatched": "test_mismatched.tsv",
    }
    assert row.submission == {"test": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"}


@pytest.mark.parametrize("name", GLUE)
def test_every_row_fits_together(name: str) -> None:
    row = GLUE[name]
    assert row.task.name == name
    check_metrics(row.task.metrics, row.task.kind, row.task.num_labels)
    splits = {"train", *row.task.dev_splits, *row.task.test_splits}
    assert set(row.hub_splits) == set(row.tsv) == splits
    assert set(row.submission) == set(row.test_rows) == set(row.task.test_splits)
    assert len(row.submission_words) == len(row.task.label_names)
    for file in row.tsv.values():
        assert set(row.task.text_columns) <= set(file.columns)


def test_dev_rows_of_the_nine_tasks() -> None:
    assert set(DEV_ROWS) == set(list(GLUE)[:9])
    assert (DEV_ROWS["mnli"], DEV_ROWS["rte"]) == (9_815, 277)


@pytest.mark.glue
@pytest.mark.parametrize("name", ["cola", "sst2", "mrpc", "rte"])
def test_real_dev_sets_have_the_rows_that_they_are_said_to_have(name: str) -> None:
    spec = SourceSpec("folder", path=str(real_glue(name, "parquet")))
    file = find_files(spec, GLUE[name].task, Path())["dev"]
    assert read_metadata(file).num_rows == DEV_ROWS[name]


def test_submission_words() -> None:
    assert GLUE["rte"].submission_words == ("entailment", "not_entailment")
    assert GLUE["wnli"].submission_words == ("0", "1")
    assert GLUE["cola"].submission == {"test": "CoLA.tsv"}
    assert {file for row in GLUE.values() for file in row.submission.values()} >= {
        "CoLA.tsv", "SST-2.tsv", "MRPC.tsv", "STS-B.tsv", "QQP.tsv", "MNLI-m.tsv", "MNLI-mm.tsv",
        "QNLI.tsv", "RTE.tsv", "WNLI.tsv",
    }  # fmt: skip


def test_only_colas_labelled_files_lack_a_header() -> None:
    bare = {
        (row.task.name, split)
        for row in GLUE.values()
        for split, file in row.tsv.items()
        if int in map(type, file.columns.values())
    }
    assert bare == {("cola", "train"), ("cola", "dev")}


def test_hub_revision_is_a_commit() -> None:
    assert len(HUB_REVISION) == 40
    assert set(HUB_REVISION) <= set("0123456789abcdef")
