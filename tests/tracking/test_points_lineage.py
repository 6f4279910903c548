from __future__ import annotations

import json
from typing import Any

import pytest

from alpkd_pipeline.tasks.glue import HUB_DATASET, HUB_REVISION
from alpkd_pipeline.tracking.points import dataset_facts


def run_json(task: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    return {
        "task": {
            "name": "mnli",
            "kind": "classification",
            "text_columns": ["premise"],
            "dev_splits": ["dev_matched", "dev_mismatched"],
        },
        "params": {"task": {"name": "mnli", **task}},
        "identity": {"keys": keys},
    }


def test_a_training_reads_train_and_the_first_dev_split() -> None:
    found = dataset_facts(run_json({"source": "hub"}, {"splits": "0123456789abcdef"}))
    assert {context: (facts["name"], facts["digest"]) for context, facts in found.items()} == {
        "train": ("mnli-train", "0123456789ab"),
        "dev": ("mnli-dev_matched", "0123456789ab"),
    }


def test_the_columns() -> None:
    train = dataset_facts(run_json({"source": "demo"}, {"splits": "0"}))["train"]
    assert json.loads(train["schema"])["mlflow_colspec"] == [
        {"type": "string", "name": "premise", "required": True},
        {"type": "long", "name": "label", "required": True},
    ]


@pytest.mark.parametrize(
    ("task", "kind", "source"),
    [
        (
            {"source": "hub"},
            "hugging_face",
            {"path": HUB_DATASET, "config_name": "mnli", "revision": HUB_REVISION},
        ),
        (
            {"source": "hub", "dataset": "a/b", "config": "c", "revision": "d"},
            "hugging_face",
            {"path": "a/b", "config_name": "c", "revision": "d"},
        ),
        ({"source": "folder", "path": "/x"}, "local", {"uri": "/x"}),
        ({"source": "table", "files": {"train": "a.csv"}}, "local", {"uri": '{"train": "a.csv"}'}),
        ({"source": "demo"}, "code", {"tags": {"mlflow.source.name": "alpkd_pipeline: demo"}}),
    ],
)
def test_mlflow_can_read_the_source_back(task: dict[str, Any], kind: str, source: Any) -> None:
    from mlflow.data.dataset_source_registry import get_dataset_source_from_json

    train = dataset_facts(run_json(task, {"splits": "0"}))["train"]
    assert (train["source_type"], json.loads(train["source"])) == (kind, source)
    read = get_dataset_source_from_json(train["source"], train["source_type"])
    assert source.items() <= read.to_dict().items()


def test_data_without_a_key_has_no_lineage() -> None:
    assert dataset_facts(run_json({"source": "demo"}, {})) == {}
