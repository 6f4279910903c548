"""Sizes in config.json that are not those of the weights: one line before anything is allocated."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.conftest import tiny_config, word_tokenizer
from transformers import AutoModelForSequenceClassification

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_classifier, load_finetuned, load_tokenizer
from alpkd_pipeline.models.model_files import check_sizes, read_config, tensor_shapes
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.models.source import check_folder
from alpkd_pipeline.tasks.task import Task

Save = Callable[..., Path]
SIZES = [(family, name) for family in sorted(FAMILIES) for name in FAMILIES[family].weights]
LAYERS = [(family, FAMILIES[family].layers) for family in sorted(FAMILIES)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A classifier of each family; the tests change its config.json alone."""
    made = {}
    for family in FAMILIES:
        folder = made[family] = tmp_path_factory.mktemp(family)
        model = AutoModelForSequenceClassification.from_config(tiny_config(family, 3))
        model.save_pretrained(folder)
        word_tokenizer(family).save_pretrained(folder)
    return made


@pytest.fixture
def changed(folders: dict[str, Path]) -> Any:
    """Changes a family's config.json; it is put right afterwards."""
    texts = {}

    def change(family: str, **changes: Any) -> Path:
        path = folders[family] / "config.json"
        texts.setdefault(path, path.read_text())
        path.write_text(json.dumps(json.loads(texts[path]) | changes))
        return folders[family]

    yield change
    for path, text in texts.items():
        path.write_text(text)


def refusal(folder: Path, check: Callable[[Path], Any] = check_folder) -> str:
    with pytest.raises(UserError) as caught:
        check(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_models_as_the_library_saves_them_pass(family: str, folders: dict[str, Path]) -> None:
    check_folder(folders[family])


def test_a_backbone_without_its_name_before_the_weights_passes(
    family: str, folders: dict[str, Path]
) -> None:
    config, shapes = read_config(folders[family]), tensor_shapes(folders[family])
    check_sizes(folders[family], config, {k.split(".", 1)[1]: v for k, v in shapes.items()})


@pytest.mark.parametrize(("family_name", "name"), [*SIZES, *LAYERS])
@pytest.mark.parametrize("wrong", [4, 10**12])
def test_each_size_is_that_of_the_weights(
    changed: Any, family_name: str, name: str, wrong: int
) -> None:
    folder = changed(family_name)
    right = read_config(folder).get(name)
    if family_name == "deberta-v2" and name == "max_position_embeddings":
        check_folder(changed(family_name, **{name: wrong}))  # it has no table of positions
        return
    tracemalloc.start()
    said = refusal(changed(family_name, **{name: wrong}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    assert str(folder / "config.json") in said or f"{folder} is not a whole encoder" in said
    assert f"{name} = {wrong}" in said
    # DeBERTa has sizes that are 0 in most models, and that stand in config.json in few.
    assert right is None or (str(right) if right else "missing in its weights") in said


@pytest.mark.parametrize("name", ["position_buckets", "max_relative_positions"])
def test_relative_positions_are_those_of_the_weights(changed: Any, name: str) -> None:
    more = {"position_buckets": -1} if name == "max_relative_positions" else {}
    said = refusal(changed("deberta-v2", **more, **{name: 10**12}))
    assert f"{name} = 1000000000000" in said
    assert "16 rows, two for each" in said


def test_the_common_names_of_sizes_are_read_too(changed: Any) -> None:
    said = refusal(changed("distilbert", num_hidden_layers=2))
    assert "n_layers = 2, but the weights have 3 layers" in said
    check_folder(changed("distilbert", hidden_size=32))


@pytest.mark.parametrize("layers", [2, 4])
def test_no_layer_is_cut_off_or_made_up(family: str, changed: Any, layers: int) -> None:
    folder = changed(family, **{FAMILIES[family].layers: layers})
    for check in (check_folder, load_finetuned, load_tokenizer):
        assert "the weights have 3 layers" in refusal(folder, check)


def test_more_layers_than_config_in_several_files(make_model: Any, tmp_path: Path) -> None:
    make_model("bert", layers=6).save_pretrained(tmp_path, max_shard_size="40KB")
    word_tokenizer().save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    check_folder(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 4}))
    assert "num_hidden_layers = 4, but the weights have 6 layers" in refusal(tmp_path)


def test_tiny_layers_do_not_stand_for_large_ones(make_model: Any, tmp_path: Path) -> None:
    """One layer as config.json says it, a thousand that are a number each in the file."""
    make_model("bert", layers=1).save_pretrained(tmp_path)
    word_tokenizer().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights |= {f"bert.encoder.layer.{i}.x": torch.zeros(1) for i in range(1, 1000)}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 1000}))
    assert "have at least 7168000 numbers" in refusal(tmp_path)


def test_what_a_config_wants_returned_changes_nothing(
    family: str, changed: Any, nli: Task, batch: Any, tmp_path: Path
) -> None:
    flags = {"output_attentions": True, "output_hidden_states": True, "return_dict": False}
    plain = load_finetuned(changed(family))
    wordy = load_finetuned(changed(family, **flags))
    with torch.no_grad():
        assert torch.equal(plain(**batch).logits, wordy(**batch).logits)
    for model in (wordy, load_classifier(changed(family, **flags), nli, 0)):
        model.save_pretrained(tmp_path)
        saved = json.loads((tmp_path / "config.json").read_text())
        assert not any(saved.get(name) == value for name, value in flags.items())
