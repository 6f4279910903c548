from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError

from alpkd_pipeline.datasets.inputs import SourceDataset
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.demo import TASK as DEMO
from alpkd_pipeline.tasks.task import SourceSpec, Task

MINE = Task("mine", "classification", ("text",), ("no", "yes"), ("accuracy",))


def dataset(spec: SourceSpec, task: Task, project: Path) -> SourceDataset:
    """Made as the catalog makes it: from JSON."""
    return SourceDataset(
        source=json.dumps(asdict(spec)), task=json.dumps(task.to_dict()), project=str(project)
    )


@pytest.fixture
def own(tmp_path: Path) -> SourceDataset:
    rows = {"text": [f"row {i}" for i in range(20)], "label": [0, 1] * 10}
    pd.DataFrame(rows).to_csv(tmp_path / "train.csv", index=False)
    spec = SourceSpec("table", files={"train": "train.csv"}, dev_fraction=0.2, train_rows=6)
    return dataset(spec, MINE, tmp_path)


def test_the_demo_has_three_splits(tmp_path: Path) -> None:
    frames = dataset(SourceSpec("demo"), DEMO, tmp_path).load().frames
    assert list(frames) == ["train", "dev", "test"]
    assert {"sentence", "label", "idx"} <= set(frames["dev"].columns)


def test_the_user_s_files_lie_below_the_project(own: SourceDataset) -> None:
    frames = own.load().frames
    assert {name: len(frame) for name, frame in frames.items()} == {"train": 4, "dev": 2}
    assert set(frames["dev"]["label"]) == {0, 1}


def test_a_missing_file_is_the_user_s_line(own: SourceDataset, tmp_path: Path) -> None:
    (tmp_path / "train.csv").unlink()
    raw = own.load()  # reads nothing
    with pytest.raises(UserError) as caught:
        _ = raw.frames
    assert "train.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_read_before_it_is_loaded(tmp_path: Path) -> None:
    spec = SourceSpec("table", files={"train": "no/such/file.csv"})
    assert dataset(spec, MINE, tmp_path)._describe() == {"source": "table", "task": "mine"}


def test_it_cannot_be_saved(own: SourceDataset) -> None:
    with pytest.raises(DatasetError, match="only an input"):
        own.save({})  # type: ignore[arg-type]
