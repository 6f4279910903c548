"""One report names every fault of every file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.sources import load_splits
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.validate import DataErrors


def report(spec: SourceSpec, task: Task, folder: Path) -> list[str]:
    """What is said, one line each, with the folder left out."""
    before = sorted(folder.rglob("*"))
    with pytest.raises(DataErrors) as caught:
        load_splits(spec, task, folder)
    assert sorted(folder.rglob("*")) == before
    header, *lines = str(caught.value).replace(f"{folder}/", "").splitlines()
    assert header == (
        f"the data of task '{task.name}' has {len(lines)} fault{'s' if len(lines) > 1 else ''},"
        " nothing was written; put right:"
    )
    return [line.removeprefix("  - ") for line in lines]


def table(**files: str) -> SourceSpec:
    return SourceSpec("table", files=files)


def test_all_faults_of_all_files_come_at_once(tmp_path: Path, mood: Task) -> None:
    (tmp_path / "t.csv").write_text("text,label\na,positive\nb,wonderful\n")
    (tmp_path / "d.tsv").write_text("sentence\tlabel\na\t0\nb\n\tpositive\nd\n")
    (tmp_path / "e.jsonl").write_text('{"sentence": "a"}\n{"sentence": 3}\n[1]\n{"a": \n')
    assert report(table(train="t.csv", dev="d.tsv", test="e.jsonl"), mood, tmp_path) == [
        "train (t.csv): has no column 'sentence'; it has text, label; name the right one in"
        " task.columns.sentence",
        "dev (d.tsv): line 3: 1 fields where the first line has 2; a separator inside a text must"
        " be quoted (.csv) or replaced (.tsv) (malformed too: 1 more, line 5)",
        "test (e.jsonl): line 3: a JSON list where an object is expected; write"
        ' {"column": value, ...} on each line (malformed too: 1 more, line 4)',
        "labels: they are neither all class names (negative, positive) nor all ids (0 to 1):"
        " 'wonderful' (train line 3); correct them, or task.labels; all splits are read alike",
    ]


def test_every_column_that_is_missing_is_named(tmp_path: Path, pair: Task) -> None:
    (tmp_path / "t.csv").write_text("a,b\nx,y\n")
    found = report(table(train="t.csv"), pair, tmp_path)
    assert [line.split(";")[0] for line in found] == [
        f"train (t.csv): has no column '{name}'" for name in ("first", "second", "label")
    ]


def test_rows_with_several_labels_are_listed_beside_other_faults(
    tmp_path: Path, mood: Task
) -> None:
    rows = ["a,negative|positive", "b,0", ",1", '"d","positive,negative"', "e,"]
    (tmp_path / "t.csv").write_text("sentence,label\n" + "\n".join(rows) + "\n")
    assert report(table(train="t.csv"), mood, tmp_path) == [
        "train (t.csv), 2 lines (2, 5): the label holds several values; keep one, or make one task"
        " for each label",
        "train (t.csv), 1 line (4): sentence is blank",
        "train (t.csv), 1 line (6): label is missing; task.unlabelled=allow lets such rows train"
        " students",
    ]


def test_several_labels_of_a_regression(tmp_path: Path, likeness: Task) -> None:
    line = '{"first": "a", "second": "b", "label": [1, 2]}\n'
    (tmp_path / "t.jsonl").write_text(line * 7)
    (found,) = report(table(train="t.jsonl"), likeness, tmp_path)
    assert found.startswith("train (t.jsonl), 7 lines (1, 2, 3, 4, 5, ...): the label holds")


def test_one_file_may_be_at_fault_and_another_in_order(tmp_path: Path, mood: Task) -> None:
    (tmp_path / "t.csv").write_text("sentence,label\na,0\nb,1\n")
    (tmp_path / "d.csv").write_bytes("sentence,label\n".encode("utf-16"))
    (tmp_path / "e.parquet").write_bytes(b"PAR1")
    found = report(table(train="t.csv", dev="d.csv", test="e.parquet"), mood, tmp_path)
    assert found[0] == "dev (d.csv): is UTF-16; save it as UTF-8"
    assert found[1].startswith("test (e.parquet): is not a readable parquet file")
    assert len(found) == 2


def test_glue_folders(tmp_path: Path) -> None:
    folder = tmp_path / "RTE"
    folder.mkdir()
    (folder / "train.tsv").write_text("index\tpremise\tsentence2\tlabel\n0\ta\tb\tmaybe\n")
    (folder / "dev.tsv").write_text("index\tsentence1\tsentence2\n0\ta\t\n")
    found = report(SourceSpec("folder", path="."), GLUE["rte"].task, tmp_path)
    assert [line.split(";")[0] for line in found] == [
        "train (RTE/train.tsv): has no column 'sentence1' (did you mean 'sentence2'?)",
        "dev (RTE/dev.tsv): has no column 'label'",
        "dev (RTE/dev.tsv), 1 line (2): sentence2 is blank",
        "labels: they are neither all class names (entailment, not_entailment) nor all ids"
        " (0 to 1): 'maybe' (train line 2)",
    ]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (table(dev="t.csv"), "names no file for 'train'"),
        (table(train="u.csv"), "does not exist"),
        (SourceSpec("table", files={"train": "t.csv"}, columns={"x": "y"}), "maps 'x'"),
        (SourceSpec("folder", path="."), "holds GLUE tasks"),
        (SourceSpec("hub"), "task.dataset is missing"),
    ],
)
def test_a_wrong_source_is_one_line_as_before(
    tmp_path: Path, mood: Task, spec: SourceSpec, words: str
) -> None:
    (tmp_path / "t.csv").write_text("sentence,label\na,0\n")
    with pytest.raises(UserError, match=words) as caught:
        load_splits(spec, mood, tmp_path)
    assert not isinstance(caught.value, DataErrors)
    assert "\n" not in str(caught.value)


def test_a_list_of_dev_pairs_without_its_columns(tmp_path: Path) -> None:
    folder = tmp_path / "MRPC"
    folder.mkdir()
    for name in ("msr_paraphrase_train.txt", "msr_paraphrase_test.txt"):
        rows = pd.DataFrame({"Quality": [1], "#1 ID": [2], "#1 String": ["a"], "#2 String": ["b"]})
        rows.to_csv(folder / name, sep="\t", index=False)
    (folder / "dev_ids.tsv").write_text("2\t3\n")
    with pytest.raises(UserError, match=r"has no column '#2 ID', which .*dev_ids.tsv refers to"):
        load_splits(SourceSpec("folder", path="."), GLUE["mrpc"].task, tmp_path)
