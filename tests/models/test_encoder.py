from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    pipeline,
)

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import (
    fresh_model,
    is_head,
    load_classifier,
    load_finetuned,
    load_tokenizer,
    save_classifier,
    set_task,
)
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.tasks.task import Task

Save = Callable[..., Path]


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_the_encoder_is_the_checkpoint_s_and_the_head_is_not(
    family: str, make_model: Any, save_folder: Save, nli: Task
) -> None:
    """The checkpoint has a head of the same shape: it belongs to another task."""
    source = make_model(family)
    loaded = load_classifier(save_folder(source), nli, seed=3)
    theirs = source.state_dict()
    for key, value in loaded.state_dict().items():
        in_backbone = key.startswith(loaded.base_model_prefix + ".")
        assert torch.equal(value, theirs[key]) == in_backbone, key
    assert not loaded.training


def test_the_head_is_the_seed_s_alone(make_model: Any, save_folder: Save, nli: Task) -> None:
    folders = [save_folder(make_model("bert", seed=i), f"m{i}") for i in (0, 1)]
    one, same, other = (
        load_classifier(folder, nli, seed).classifier.weight
        for folder, seed in ((folders[0], 3), (folders[1], 3), (folders[0], 4))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.std() < 0.1


def test_loading_leaves_the_random_state_alone(
    make_model: Any, save_folder: Save, nli: Task
) -> None:
    folder = save_folder(make_model("bert"))
    torch.manual_seed(7)
    before = torch.get_rng_state()
    load_classifier(folder, nli, seed=3)
    load_finetuned(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_labels_and_problem_type(make_model: Any, save_folder: Save, nli: Task, sts: Task) -> None:
    folder = save_folder(make_model("roberta", labels=2))
    config = load_classifier(folder, nli, 0).config
    assert config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}
    assert config.label2id == {"entailment": 0, "neutral": 1, "contradiction": 2}
    assert (config.num_labels, config.problem_type) == (3, "single_label_classification")
    config = load_classifier(folder, sts, 0).config
    assert (config.num_labels, config.id2label) == (1, {0: "value"})
    assert config.problem_type == "regression"


def test_half_precision_is_raised(make_model: Any, save_folder: Save, nli: Task) -> None:
    source = make_model("bert").half()
    folder = save_folder(source)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    loaded = load_classifier(folder, nli, 0)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert {p.dtype for p in load_finetuned(folder).parameters()} == {torch.float32}
    word = loaded.bert.embeddings.word_embeddings.weight
    assert torch.equal(word, source.bert.embeddings.word_embeddings.weight.float())


def test_a_pooler_that_the_checkpoint_lacks_is_drawn_from_the_seed(
    make_model: Any, save_folder: Save, nli: Task
) -> None:
    folder = save_folder(make_model("bert"))
    edit_weights(folder, lambda w: [w.pop(k) for k in list(w) if "pooler" in k])
    loaded = load_classifier(folder, nli, 3)
    expected = fresh_model(type(loaded), loaded.config, 3)
    assert torch.equal(loaded.bert.pooler.dense.weight, expected.bert.pooler.dense.weight)


def test_a_token_classifier_is_a_backbone(
    tmp_path: Path, make_model: Any, make_tokenizer: Any, nli: Task
) -> None:
    config = make_model("bert").config
    source = AutoModelForTokenClassification.from_config(config)
    save_classifier(source, make_tokenizer(), tmp_path)
    loaded = load_classifier(tmp_path, nli, 3)
    assert torch.equal(
        loaded.bert.encoder.layer[5].output.dense.weight,
        source.bert.encoder.layer[5].output.dense.weight,
    )
    assert not torch.equal(loaded.classifier.weight, source.classifier.weight)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("layer.5.", r"num_hidden_layers = 6, but the weights have 5 layers"),
        ("layer.5.attention.", r"not a whole encoder.*bert\.encoder\.layer\.5.* and 7 more"),
    ],
)
def test_a_checkpoint_without_some_layers_is_refused(
    make_model: Any, save_folder: Save, nli: Task, gone: str, said: str
) -> None:
    folder = save_folder(make_model("bert"))
    edit_weights(folder, lambda w: [w.pop(k) for k in list(w) if gone in k])
    with pytest.raises(UserError, match=said) as caught:
        load_classifier(folder, nli, 0)
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_refused(
    make_model: Any, save_folder: Save, nli: Task
) -> None:
    folder = save_folder(make_model("bert"))
    table = "bert.embeddings.word_embeddings.weight"
    edit_weights(folder, lambda w: w.update({table: torch.zeros(7, 32)}))
    with pytest.raises(UserError, match="word_embeddings"):
        load_classifier(folder, nli, 0)


@pytest.mark.parametrize("gone", ["classifier.weight", "classifier.bias", "bert.pooler.dense.bias"])
def test_a_finetuned_model_needs_all_its_weights(
    make_model: Any, save_folder: Save, gone: str
) -> None:
    folder = save_folder(make_model("bert"))
    edit_weights(folder, lambda w: w.pop(gone))
    with pytest.raises(UserError, match=gone):
        load_finetuned(folder)


def test_loading_and_saving_say_nothing(
    make_model: Any,
    save_folder: Save,
    nli: Task,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Fresh heads are meant; the library would print a table of them, and progress bars."""
    folder = save_folder(make_model("electra"))
    edit_weights(folder, lambda w: [w.pop(k) for k in list(w) if k.startswith("classifier")])
    capsys.readouterr()
    save_classifier(load_classifier(folder, nli, 0), load_tokenizer(folder), folder)
    assert caplog.records == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("model_type", ["gpt2", "no-such-model"])
def test_a_family_that_cannot_be_cut_is_refused(
    make_model: Any, save_folder: Save, nli: Task, model_type: str
) -> None:
    folder = save_folder(make_model("bert"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type}))
    with pytest.raises(UserError, match=model_type) as caught:
        load_classifier(folder, nli, 0)
    assert "\n" not in str(caught.value)


def test_damaged_weights_are_refused_in_one_line(
    make_model: Any, save_folder: Save, nli: Task
) -> None:
    folder = save_folder(make_model("bert"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    for load in (load_finetuned, lambda f: load_classifier(f, nli, 0)):
        with pytest.raises(UserError, match="cannot be loaded") as caught:
            load(folder)
        assert "\n" not in str(caught.value)


def test_a_saved_model_is_the_same_to_every_loader(
    tmp_path: Path, family: str, make_model: Any, make_tokenizer: Any, nli: Task
) -> None:
    model, tokenizer = make_model(family), make_tokenizer(family)
    set_task(model, nli, (0, 1, 2))
    save_classifier(model, tokenizer, tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    inputs = load_tokenizer(tmp_path)("w1 w2", "w3 w4 w5", return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).logits
        again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
        torch.testing.assert_close(again(**inputs).logits, expected)
        torch.testing.assert_close(load_finetuned(tmp_path)(**inputs).logits, expected)
    piped = pipeline("text-classification", model=str(tmp_path), top_k=None)(
        {"text": "w1 w2", "text_pair": "w3 w4 w5"}
    )
    found = {one["label"]: one["score"] for one in piped}
    assert found == pytest.approx(
        dict(zip(nli.label_names, expected.softmax(-1)[0].tolist(), strict=True)), abs=1e-5
    )


def test_a_pipeline_gives_a_regression_s_value(
    tmp_path: Path, make_model: Any, make_tokenizer: Any, sts: Task
) -> None:
    """Without the problem type it would be squashed into 0..1."""
    model, tokenizer = make_model("distilbert", labels=1), make_tokenizer("distilbert")
    set_task(model, sts, (0,))
    with torch.no_grad():
        model.classifier.bias += 4.0
        expected = model(**tokenizer("w1 w2", return_tensors="pt")).logits.item()
    save_classifier(model, tokenizer, tmp_path)
    found = pipeline("text-classification", model=str(tmp_path))("w1 w2")[0]
    assert found["score"] == pytest.approx(expected, abs=1e-4)
    assert found["label"] == "value"


def test_a_saved_model_does_not_say_where_it_came_from(
    tmp_path: Path, make_model: Any, save_folder: Save, nli: Task
) -> None:
    loaded = load_classifier(save_folder(make_model("bert")), nli, 0)
    save_classifier(loaded, load_tokenizer(tmp_path / "model"), tmp_path / "out")
    for path in (tmp_path / "out").glob("*.json"):
        assert str(tmp_path) not in path.read_text(), path
        assert "local_files_only" not in path.read_text(), path


def test_outputs_follow_the_task_s_order(family: str, make_model: Any, nli: Task) -> None:
    """Outputs that meant contradiction, entailment, neutral are put in the task's order."""
    model = make_model(family)
    inputs = {"input_ids": torch.tensor([[2, 9, 8, 3]]), "attention_mask": torch.ones(1, 4).long()}
    with torch.no_grad():
        before = model(**inputs).logits[0]
        set_task(model, nli, (1, 2, 0))
        after = model(**inputs).logits[0]
    torch.testing.assert_close(after, before[[1, 2, 0]])
    assert model.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}


def test_the_head_of_each_family(family: str, make_model: Any) -> None:
    model = make_model(family)
    head = {key for key in model.state_dict() if is_head(model, key)}
    known = FAMILIES[family]
    assert f"{known.classifier}.weight" in head
    assert not any(known.layers_path + "." in key or "embeddings" in key for key in head)
    assert any("pooler" in key for key in head) == (family in ("bert", "deberta-v2"))
