import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE, HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tasks.sources import demo, load_splits, source_digest
from alpkd_pipeline.tasks.task import SourceSpec, Task


def write_csv(path: Path, rows: int, word: str = "text") -> None:
    lines = [f"{word} {i},{i % 2}" for i in range(rows)]
    path.write_text("\n".join(["sentence,label", *lines]) + "\n")


def table(**files: str) -> SourceSpec:
    return SourceSpec("table", files=files)


def test_demo() -> None:
    splits = load_splits(SourceSpec("demo"), demo.TASK)
    assert list(splits) == ["train", "dev", "test"]
    for frame in splits.values():
        assert frame.columns.tolist() == ["sentence", "label", "idx"]
        assert [str(kind) for kind in frame.dtypes] == ["str", "int64", "int64"]


def test_first_train_rows(tmp_path: Path, mood: Task) -> None:
    write_csv(tmp_path / "t.csv", 20)
    write_csv(tmp_path / "d.csv", 4, "dev")
    spec = SourceSpec("table", files={"train": "t.csv", "dev": "d.csv"}, train_rows=3)
    splits = load_splits(spec, mood, tmp_path)
    assert splits["train"]["idx"].tolist() == [0, 1, 2]
    assert len(splits["dev"]) == 4


def test_more_train_rows_than_there_are(
    tmp_path: Path, mood: Task, caplog: pytest.LogCaptureFixture
) -> None:
    write_csv(tmp_path / "t.csv", 4)
    spec = SourceSpec("table", files={"train": "t.csv", "dev": "t.csv"}, train_rows=9)
    with caplog.at_level(logging.WARNING):
        assert len(load_splits(spec, mood, tmp_path)["train"]) == 4
    assert "mood has 4 train rows, fewer than train_rows 9" in caplog.text


def test_missing_dev_is_cut_from_the_train_rows_that_are_kept(
    tmp_path: Path, mood: Task, caplog: pytest.LogCaptureFixture
) -> None:
    write_csv(tmp_path / "t.csv", 500)
    spec = SourceSpec("table", files={"train": "t.csv"}, train_rows=20, seed=0)
    with caplog.at_level(logging.WARNING):
        short = load_splits(spec, mood, tmp_path)
    assert "mood has no dev split: 2 of 20 train rows become dev (seed 0)" in caplog.text
    assert sorted([*short["train"]["idx"], *short["dev"]["idx"]]) == list(range(20))
    assert [len(short["train"]), len(short["dev"])] == [18, 2]


def test_digest_follows_the_bytes(tmp_path: Path, mood: Task) -> None:
    write_csv(tmp_path / "t.csv", 4)
    before = source_digest(table(train="t.csv"), mood, tmp_path)
    assert json.loads(json.dumps(before)) == before
    (tmp_path / "t.csv").touch()
    assert source_digest(table(train="t.csv"), mood, tmp_path) == before
    write_csv(tmp_path / "t.csv", 5)
    assert source_digest(table(train="t.csv"), mood, tmp_path) != before


def test_digest_follows_roles_and_columns(tmp_path: Path, mood: Task) -> None:
    write_csv(tmp_path / "t.csv", 4)
    write_csv(tmp_path / "u.csv", 4)
    one = source_digest(table(train="t.csv", dev="u.csv"), mood, tmp_path)
    other = source_digest(table(train="u.csv", dev="t.csv"), mood, tmp_path)
    assert one != other
    mapped = SourceSpec("table", files={"train": "t.csv"}, columns={"label": "sentence"})
    assert source_digest(mapped, mood, tmp_path) != source_digest(
        table(train="t.csv"), mood, tmp_path
    )


def test_digest_does_not_depend_on_the_place(tmp_path: Path, mood: Task) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_csv(tmp_path / name / "t.csv", 4)
    digests = [source_digest(table(train="t.csv"), mood, tmp_path / name) for name in ("a", "b")]
    assert digests[0] == digests[1]


def test_digest_of_the_other_kinds(tmp_path: Path) -> None:
    assert source_digest(SourceSpec("demo"), demo.TASK)["sha256"] == demo.digest()
    hub = source_digest(SourceSpec("hub"), GLUE["rte"].task)
    assert (hub["dataset"], hub["revision"], hub["config"]) == (HUB_DATASET, HUB_REVISION, "rte")
    (tmp_path / "RTE").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "RTE" / f"{name}.tsv").write_text("x")
    folder = source_digest(SourceSpec("folder", path="."), GLUE["rte"].task, tmp_path)
    assert set(folder["files"]) == {"train", "dev"}


def test_digest_of_a_missing_file(tmp_path: Path, mood: Task) -> None:
    with pytest.raises(UserError, match=r"t\.csv does not exist"):
        source_digest(table(train="t.csv"), mood, tmp_path)


def test_naming_and_hashing_data_imports_nothing_heavy() -> None:
    code = """
import sys
from alpkd_pipeline.tasks import glue, labels, metrics, validate
from alpkd_pipeline.tasks.sources import SourceSpec, demo, source_digest
source_digest(SourceSpec("hub"), glue.GLUE["rte"].task)
source_digest(SourceSpec("demo"), demo.TASK)
heavy = {"pandas", "torch", "datasets", "huggingface_hub", "sklearn", "scipy", "pyarrow"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_label_types_survive_the_cut(tmp_path: Path, mood: Task) -> None:
    write_csv(tmp_path / "t.csv", 30)
    splits = load_splits(table(train="t.csv"), mood, tmp_path)
    assert all(frame["label"].dtype == np.int64 for frame in splits.values())
