import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from tests.export.published import REGRESSION, publish, rewrite_metrics
from tests.reporting.conftest import Store

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.card import write_card

TYPES: dict[str, type] = {
    "library_name": str,
    "pipeline_tag": str,
    "language": str,
    "license": str,
    "base_model": str,
    "base_model_relation": str,
    "datasets": list,
    "metrics": list,
    "tags": list,
    "model-index": list,
}
NEEDED = {"library_name", "pipeline_tag", "metrics", "tags", "model-index"}


def metadata_of(folder: Path) -> dict[str, Any]:
    """What the hub reads of a card, after a look at its shape."""
    write_card(folder)
    text = (folder / "README.md").read_text("utf-8")
    assert text.startswith("---\n")
    found: dict[str, Any] = yaml.safe_load(text.split("---\n", 2)[1])
    assert found.keys() >= NEEDED
    for name, value in found.items():
        assert type(value) is TYPES[name], name
    assert all(type(one) is str and one for name in ("metrics", "tags") for one in found[name])
    (model,) = found["model-index"]
    assert model.keys() == {"name", "results"}
    for result in model["results"]:
        assert result.keys() == {"task", "dataset", "metrics"}
        assert result["task"] == {"type": found["pipeline_tag"]}
        assert result["dataset"].keys() >= {"type", "name", "split"}
        assert all(type(value) is str for value in result["dataset"].values())
        for metric in result["metrics"]:
            assert metric.keys() == {"type", "name", "value"}
            assert type(metric["value"]) is float
            assert math.isfinite(metric["value"])
            assert metric["type"] in found["metrics"]
    loaded = ModelCard.load(folder / "README.md")
    assert loaded.data.to_dict() == found
    assert loaded.content == text
    return found


def hub(params: dict[str, Any]) -> None:
    params["teacher"].update(model="google-bert/bert-base-uncased", revision="1" * 40)
    params["task"].update(source="hub")


def test_a_student(store: Store) -> None:
    found = metadata_of(publish(store))
    assert found["license"] == "mit"
    assert found["pipeline_tag"] == "text-classification"
    assert found["library_name"] == "transformers"
    assert found["tags"] == ["alp_kd", "knowledge-distillation", "onnx", "int8"]
    assert found.keys().isdisjoint({"base_model", "base_model_relation", "datasets", "language"})
    (result,) = found["model-index"][0]["results"]
    assert result["dataset"] == {"name": "mrpc", "type": "local", "split": "dev"}
    assert [(m["name"], m["value"]) for m in result["metrics"][:2]] == [
        ("accuracy (ONNX int8, served)", 0.75),
        ("accuracy (torch)", 0.8),
    ]


def test_hub_ids(store: Store) -> None:
    found = metadata_of(publish(store, hub))
    assert found["base_model"] == "google-bert/bert-base-uncased"
    assert "base_model_relation" not in found  # a part of a model is none of the hub's relations
    assert found["datasets"] == ["nyu-mll/glue"]
    assert found["language"] == "en"
    (result,) = found["model-index"][0]["results"]
    assert result["dataset"]["config"] == "mrpc"
    assert result["dataset"]["split"] == "validation"


@pytest.mark.parametrize(("finetuned", "relation"), [(False, "finetune"), (True, "quantized")])
def test_the_relation_of_a_teacher(store: Store, finetuned: bool, relation: str) -> None:
    def change(params: dict[str, Any]) -> None:
        hub(params)
        params["teacher"]["finetuned"] = finetuned

    found = metadata_of(publish(store, change, of="teacher"))
    assert found["base_model_relation"] == relation
    assert found["tags"] == ["onnx", "int8"]


def test_a_local_folder_and_the_demo_are_no_hub_ids(store: Store, tmp_path: Path) -> None:
    for place, model in enumerate(("own/bert", str(tmp_path), "demo")):
        found = metadata_of(
            publish(
                Store(tmp_path / str(place)),
                lambda params, model=model: params["teacher"].update(model=model),  # type: ignore[misc]
            )
        )
        assert "base_model" not in found


def test_a_student_that_began_elsewhere(store: Store) -> None:
    def change(params: dict[str, Any]) -> None:
        hub(params)
        own = {"init": "checkpoint", "checkpoint": "a/b", "checkpoint_revision": "2" * 40}
        params["student"].update(own)

    assert metadata_of(publish(store, change))["base_model"] == "a/b"


def test_another_data_set_of_the_hub(store: Store) -> None:
    def change(params: dict[str, Any]) -> None:
        params["task"].update(source="hub", dataset="me/mine", revision="3" * 40)

    found = metadata_of(publish(store, change))
    assert found["datasets"] == ["me/mine"]
    assert "language" not in found
    dataset = found["model-index"][0]["results"][0]["dataset"]
    assert dataset == {"name": "mrpc", "type": "me/mine", "split": "dev", "revision": "3" * 40}


def test_two_dev_splits(store: Store) -> None:
    found = metadata_of(publish(store, task={"dev_splits": ["dev", "dev_mismatched"]}))
    results = found["model-index"][0]["results"]
    assert [result["dataset"]["split"] for result in results] == ["dev", "dev_mismatched"]
    # Torch was not scored on the second.
    assert [len(result["metrics"]) for result in results] == [4, 2]


def test_a_regression(store: Store) -> None:
    given = [float(label) + 0.1 for label in (1, 0, 1, 0, 0, 1, 1, 1)]
    found = metadata_of(publish(store, task=REGRESSION, predictions=given))
    assert found["metrics"] == ["pearsonr", "rmse"]


def test_a_licence_that_is_none(store: Store) -> None:
    folder = publish(store)
    (store.root / "a secret place" / "base" / "README.md").write_text("---\na: [\n---\n", "utf-8")
    assert "license" not in metadata_of(folder)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none(store: Store, value: float) -> None:
    folder = publish(store)
    rewrite_metrics(store, lambda metrics: metrics["scores"]["dev"].update(accuracy=value))
    with pytest.raises(UserError, match=rf"README.md: accuracy \(torch\) on dev is {value}, and"):
        write_card(folder)
    assert not (folder / "README.md").exists()
