from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import (
    fresh_model,
    is_head,
    load_finetuned,
    save_classifier,
    set_task,
)
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.models.states import forward_signal
from alpkd_pipeline.models.student import build_student
from alpkd_pipeline.run_settings import StudentSettings
from alpkd_pipeline.tasks.task import Task

Batch = dict[str, Tensor]
CUTS = {"first": (1, 2, 3, 4), "skip": (2, 3, 5, 6), "last": (3, 4, 5, 6)}
"""Layers of a 6-layer teacher for a 4-layer student; skip: floor(j * 6 / 4 + 1/2)."""


def cut(
    teacher: PreTrainedModel, encoder: PreTrainedModel | None = None, seed: int = 3, **changes: Any
) -> PreTrainedModel:
    return build_student(teacher, StudentSettings(**{"layers": 4, **changes}), seed, encoder)


def layer_list(model: PreTrainedModel) -> nn.Module:
    return model.base_model.get_submodule(FAMILIES[model.config.model_type].layers_path)


def run_by_hand(teacher: PreTrainedModel, chosen: tuple[int, ...], batch: Batch) -> Tensor:
    """The logits of the teacher with only some of its layers left in its list."""
    family = FAMILIES[teacher.config.model_type]
    clone = copy.deepcopy(teacher)
    path, _, name = family.layers_path.rpartition(".")
    kept = [layer_list(clone)[k - 1] for k in chosen]
    setattr(clone.base_model.get_submodule(path), name, nn.ModuleList(kept))
    with torch.no_grad():
        return clone(**batch).logits


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


@pytest.mark.parametrize("init", CUTS)
def test_a_cut_is_the_teacher_without_the_other_layers(
    family: str, make_model: Any, batch: Batch, init: str
) -> None:
    teacher = make_model(family)
    if family == "modernbert":
        # Equal scales make the folding of the first layer's norm exact, see below.
        with torch.no_grad():
            teacher.model.embeddings.norm.weight.fill_(1.5)
    student = cut(teacher, init=init)
    assert student.config.num_hidden_layers == len(layer_list(student)) == 4
    with torch.no_grad():
        found = student(**batch).logits
    torch.testing.assert_close(found, run_by_hand(teacher, CUTS[init], batch), atol=1e-5, rtol=1e-4)


def test_the_layers_of_the_first_cut_say_what_the_teacher_s_say(
    family: str, make_model: Any, batch: Batch
) -> None:
    teacher = make_model(family)
    with torch.no_grad():
        _, theirs = forward_signal(teacher, batch, pooling="cls", layers=True)
        _, ours = forward_signal(cut(teacher), batch, pooling="cls", layers=True)
    torch.testing.assert_close(ours, theirs[:, :4])


@pytest.mark.parametrize("layers", [1, 2, 3, 5, 6])
def test_any_number_of_layers(make_model: Any, batch: Batch, layers: int) -> None:
    teacher = make_model("bert")
    with torch.no_grad():
        found = cut(teacher, layers=layers, init="last")(**batch).logits
    expected = run_by_hand(teacher, tuple(range(7 - layers, 7)), batch)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("init", ["first", "skip", "last", "random"])
def test_a_student_is_saved_and_loaded_with_equal_outputs(
    tmp_path: Path,
    family: str,
    make_model: Any,
    make_tokenizer: Any,
    batch: Batch,
    nli: Task,
    init: str,
) -> None:
    """Also by the plain loader and a pipeline: dropped layers must not come back."""
    from transformers import AutoModelForSequenceClassification, pipeline

    teacher = make_model(family)
    set_task(teacher, nli, (0, 1, 2))
    student, tokenizer = cut(teacher, init=init), make_tokenizer(family)
    save_classifier(student, tokenizer, tmp_path)
    with torch.no_grad():
        expected = student(**batch).logits
        plain, report = AutoModelForSequenceClassification.from_pretrained(
            tmp_path, output_loading_info=True
        )
        assert not any(report.values())
        torch.testing.assert_close(plain.eval()(**batch).logits, expected)
        torch.testing.assert_close(load_finetuned(tmp_path)(**batch).logits, expected)
        one = student(**tokenizer("w1 w2", return_tensors="pt")).logits.softmax(-1)[0]
    piped = pipeline("text-classification", model=str(tmp_path), top_k=None)({"text": "w1 w2"})
    assert len(piped) == 3
    for answer in piped:
        label = nli.label_names.index(answer["label"])
        assert answer["score"] == pytest.approx(one[label].item(), abs=1e-5)


def test_layer_types_are_cut_with_the_layers(make_model: Any) -> None:
    teacher = make_model("modernbert")
    full, near = "full_attention", "sliding_attention"
    assert teacher.config.layer_types == [full, near, near, full, near, near]
    assert cut(teacher, init="skip").config.layer_types == [near, near, near, near]
    assert cut(teacher, init="last").config.layer_types == [near, full, near, near]
    assert cut(teacher, init="random", layers=2).config.layer_types == [full, near]
    assert len(teacher.config.layer_types) == 6


def test_folding_the_missing_norm_is_nearer_than_dropping_it(make_model: Any, batch: Batch) -> None:
    """A middle layer in the first place: ModernBERT's first layer lacks one norm."""
    teacher = make_model("modernbert")
    student = cut(teacher, init="last")
    dropped = copy.deepcopy(student)
    with torch.no_grad():
        attention = teacher.model.layers[2].attn.Wqkv.weight
        dropped.model.layers[0].attn.Wqkv.weight.copy_(attention)
        expected = run_by_hand(teacher, CUTS["last"], batch)
        distance = [(model(**batch).logits - expected).norm() for model in (student, dropped)]
    assert distance[0] < 0.5 * distance[1]


def test_teacher_and_student_share_no_memory(family: str, make_model: Any, batch: Batch) -> None:
    teacher = make_model(family)
    before = weights(teacher)
    student = cut(teacher).train()
    loss = student(**batch, labels=torch.tensor([0, 1, 2])).loss
    loss.backward()
    torch.optim.SGD(student.parameters(), lr=1.0).step()
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert all(p.grad is None for p in teacher.parameters())
    assert teacher.config.num_hidden_layers == 6
    assert not teacher.training


@pytest.mark.parametrize("init", ["first", "skip", "last"])
def test_a_fresh_head_is_the_seed_s(family: str, make_model: Any, init: str) -> None:
    teacher = make_model(family)
    one, same, other = (cut(teacher, init=init, head="fresh", seed=seed) for seed in (3, 3, 4))
    kept = cut(teacher, init=init, head="teacher", seed=3)
    before_fine_tuning = cut(teacher, init=init, init_from="pretrained").state_dict()
    for key, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[key])
        assert torch.equal(value, before_fine_tuning[key])
        outside = not key.startswith(one.base_model_prefix + ".")
        if outside and value.dim() > 1:
            assert not torch.equal(value, other.state_dict()[key])
        assert torch.equal(value, kept.state_dict()[key]) == (not outside), key


def test_the_random_state_is_left_alone(make_model: Any) -> None:
    teacher = make_model("bert")
    torch.manual_seed(11)
    before = torch.get_rng_state()
    cut(teacher, init="random", head="fresh")
    assert torch.equal(torch.get_rng_state(), before)
    first = cut(teacher, init="random", head="fresh")
    torch.manual_seed(12)
    again = cut(teacher, init="random", head="fresh")
    assert torch.equal(first.classifier.weight, again.classifier.weight)


def test_a_random_student_keeps_the_embeddings_and_nothing_else(
    family: str, make_model: Any
) -> None:
    teacher = make_model(family)
    student = cut(teacher, init="random", head="fresh")
    expected = fresh_model(type(student), student.config, 3).state_dict()
    theirs, kept = teacher.state_dict(), 0
    for key, value in student.state_dict().items():
        embeds = key.startswith(f"{student.base_model_prefix}.embeddings")
        assert torch.equal(value, theirs[key] if embeds else expected[key]), key
        kept += embeds
    assert kept >= 2


def test_a_random_student_with_the_teacher_s_head(family: str, make_model: Any) -> None:
    teacher = make_model(family)
    student = cut(teacher, init="random", head="teacher")
    theirs = teacher.state_dict()
    head = [key for key in student.state_dict() if is_head(student, key)]
    assert head
    assert all(torch.equal(student.state_dict()[key], theirs[key]) for key in head)


def test_a_narrower_random_student(family: str, make_model: Any, batch: Batch) -> None:
    teacher = make_model(family)
    sizes = {"hidden_size": 24, "heads": 2, "intermediate_size": 40}
    student = cut(teacher, init="random", layers=2, **sizes)
    config = student.config
    assert (config.hidden_size, config.num_attention_heads, config.num_hidden_layers) == (24, 2, 2)
    assert getattr(config, FAMILIES[family].inner) == 40
    logits, layers = forward_signal(student, batch, pooling="cls", layers=True)
    assert (logits.shape, layers.shape) == ((3, 3), (3, 2, 24))
    # ELECTRA alone has embeddings of a width of their own.
    same = (
        student.get_input_embeddings().weight.shape == teacher.get_input_embeddings().weight.shape
    )
    assert same == (family == "electra")
    if same:
        ours, theirs = student.state_dict(), teacher.state_dict()
        names = [key for key in ours if ".embeddings." in key]
        assert all(torch.equal(ours[key], theirs[key]) for key in names)


def test_a_checkpoint_gives_its_first_layers_and_the_teacher_the_head(
    family: str, make_model: Any
) -> None:
    teacher, other = make_model(family, seed=0), make_model(family, seed=1, layers=5)
    student = cut(teacher, other, init="checkpoint", layers=3)
    reference = cut(other, layers=3).state_dict()
    head = teacher.state_dict()
    for key, value in student.state_dict().items():
        assert torch.equal(value, (head if is_head(student, key) else reference)[key]), key


def test_a_checkpoint_of_another_width_keeps_a_fresh_head(make_model: Any, batch: Batch) -> None:
    teacher = make_model("bert")
    narrow = make_model("bert", layers=4, hidden_size=16, num_attention_heads=2)
    student = cut(teacher, narrow, init="checkpoint", layers=2)
    expected = fresh_model(type(student), student.config, 3)
    assert torch.equal(student.classifier.weight, expected.classifier.weight)
    assert torch.equal(student.classifier.bias, expected.classifier.bias)
    assert torch.equal(student.bert.pooler.dense.weight, narrow.bert.pooler.dense.weight)
    assert student(**batch).logits.shape == (3, 3)


def test_a_checkpoint_of_another_family(make_model: Any, batch: Batch) -> None:
    student = cut(make_model("bert"), make_model("distilbert"), init="checkpoint", layers=2)
    assert student.config.model_type == "distilbert"
    assert forward_signal(student, batch, pooling="cls", layers=True)[1].shape == (3, 2, 32)


def test_deberta_s_convolution_stays_after_the_first_layer(make_model: Any, batch: Batch) -> None:
    """DeBERTa-v2 XL has one; it is no part of a layer."""
    teacher = make_model("deberta-v2", conv_kernel_size=3, conv_act="gelu")
    with torch.no_grad():
        found = cut(teacher, init="skip")(**batch).logits
    torch.testing.assert_close(found, run_by_hand(teacher, CUTS["skip"], batch))


def test_the_attention_code_is_the_teacher_s(make_model: Any) -> None:
    """Two ways to compute attention differ in the last digits."""
    for name in ("eager", "sdpa"):
        teacher = make_model("bert")
        teacher.set_attn_implementation(name)
        assert cut(teacher).config._attn_implementation == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": 7}, "student.layers = 7, but the teacher has 6"),
        ({"layers": 0}, "choose 1 to 6"),
        ({"layers": 7, "init": "random"}, "the teacher has 6"),
        ({"init": "frist"}, "student.init 'frist' is unknown"),
        ({"head": "own"}, "student.head 'own' is unknown"),
        ({"init": "checkpoint"}, "needs student.checkpoint"),
        ({"hidden_size": 16}, "student.init = random"),
        ({"init": "random", "hidden_size": 30}, "hidden_size 30"),
        ({"init": "random", "heads": 5}, "5 heads"),
    ],
)
def test_what_cannot_be_built_is_refused(
    make_model: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        cut(make_model("bert"), **options)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_with_fewer_layers_is_refused(make_model: Any) -> None:
    with pytest.raises(UserError, match="the checkpoint has 2"):
        cut(make_model("bert"), make_model("bert", layers=2), init="checkpoint", layers=3)


def test_rotary_positions_need_even_heads(make_model: Any) -> None:
    with pytest.raises(UserError, match="hidden_size 36 must be a multiple of 8 for 4 heads"):
        cut(make_model("modernbert"), init="random", hidden_size=36)
