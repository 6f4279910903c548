from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demo_language import DEV_SEED, sentences

from alpkd_pipeline.tasks.sources import demo
from alpkd_pipeline.tasks.task import HIDDEN_LABEL

DIGEST = "b0e14b986fb46611b6a6597e7cbcdbffb4aae8e6e5a824677eff13ced25b032e"


def test_splits_have_the_promised_rows_and_columns() -> None:
    frames = demo.load()
    assert {split: len(frame) for split, frame in frames.items()} == {
        "train": 2500,
        "dev": 1000,
        "test": 500,
    }
    for frame in frames.values():
        assert list(frame.columns) == ["sentence", "label", "idx"]
        assert all(isinstance(text, str) for text in frame["sentence"])
        assert frame["label"].dtype == frame["idx"].dtype == "int64"
        assert frame["idx"].tolist() == list(range(len(frame)))


def test_labels_are_known_but_in_test() -> None:
    frames = demo.load()
    assert set(frames["train"]["label"]) == set(frames["dev"]["label"]) == {0, 1}
    assert set(frames["test"]["label"]) == {HIDDEN_LABEL}
    assert 0.45 < frames["dev"]["label"].mean() < 0.55


def test_rows_without_a_label_are_there_for_those_who_ask() -> None:
    frames = demo.load(unlabelled=True)
    assert len(frames["unlabelled"]) == 2000
    assert set(frames["unlabelled"]["label"]) == {HIDDEN_LABEL}
    assert demo.digest(unlabelled=True) != demo.digest() == DIGEST
    texts = [text for frame in frames.values() for text in frame["sentence"]]
    assert len(set(texts)) == len(texts)


def test_no_sentence_is_in_two_splits() -> None:
    texts = {
        split: {" ".join(text.lower().split()) for text in frame["sentence"]}
        for split, frame in demo.load().items()
    }
    assert [len(found) for found in texts.values()] == [2500, 1000, 500]
    assert len(set.union(*texts.values())) == 4000


def test_a_tenth_of_the_train_labels_is_wrong_and_none_of_dev() -> None:
    clean = {row.text: row.label for row in sentences(3000, 0, short_share=0.5)}
    clean |= {row.text: row.label for row in sentences(1000, DEV_SEED)}
    frames = demo.load()
    wrong = {
        split: (frames[split]["sentence"].map(clean) != frames[split]["label"]).mean()
        for split in ("train", "dev")
    }
    assert 0.08 < wrong["train"] < 0.12
    assert wrong["dev"] == 0


def test_loading_twice_gives_the_same() -> None:
    assert all(demo.load()[split].equals(frame) for split, frame in demo.load().items())


def test_the_digest_is_pinned() -> None:
    """Other data need a new checkpoint, newly measured scores in docs/demo.md, and a new pin."""
    assert demo.digest() == DIGEST


@pytest.mark.parametrize(
    ("split", "old", "new"),
    [("train", "\n0\t", "\n1\t"), ("dev", "the ", "a "), ("test", "\n-1\t", "\n0\t")],
)
def test_the_digest_changes_with_the_data(
    split: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(demo.FOLDER, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    assert demo.digest() == DIGEST
    path = tmp_path / f"{split}.tsv"
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    assert demo.digest() != DIGEST


def test_the_task_describes_the_frames() -> None:
    assert demo.TASK.name == "demo"
    assert demo.TASK.num_labels == 2
    assert demo.TASK.primary_metric == "accuracy"
    frames = demo.load()
    assert set(demo.TASK.text_columns) <= set(frames["train"].columns)
    assert {"train", *demo.TASK.dev_splits, *demo.TASK.test_splits} == set(frames)


def test_a_digest_costs_no_pandas() -> None:
    code = (
        "import sys; from alpkd_pipeline.tasks.sources import demo; demo.digest();"
        " sys.exit('pandas' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
