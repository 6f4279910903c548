"""The script that makes the demo checkpoint, at sizes that take a moment."""

from __future__ import annotations

from pathlib import Path

import demo_checkpoint as script
import pytest
import torch
from demo_language import LabelledSentence
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def fresh_model(layers: int) -> torch.nn.Module:
    torch.manual_seed(layers)
    config = script.encoder_config(layers, words=300)
    return script.BertForTokenClassification(config).eval()


@torch.no_grad()
def test_growing_keeps_the_function_of_a_network_with_plain_norms() -> None:
    """A fresh network's norms are plain, so the new layers hand on exactly what they get."""
    small, large = fresh_model(2), fresh_model(6)
    large.load_state_dict(script.grow(small.state_dict(), factor=3))
    input_ids = torch.tensor([[2, 17, 99, 3], [2, 40, 3, 0]])
    batch = {"input_ids": input_ids, "attention_mask": (input_ids != 0).long()}
    few = small(**batch, output_hidden_states=True)
    many = large(**batch, output_hidden_states=True)
    torch.testing.assert_close(many.logits, few.logits)
    torch.testing.assert_close(many.hidden_states[1], few.hidden_states[1])
    torch.testing.assert_close(many.hidden_states[3], few.hidden_states[1])
    torch.testing.assert_close(many.hidden_states[6], few.hidden_states[2])


def test_growing_puts_trained_layers_at_even_distances() -> None:
    weights = {
        f"bert.encoder.layer.{i}.output.dense.weight": torch.full((1,), i + 1.0) for i in (0, 1)
    } | {"classifier.bias": torch.full((1,), 9.0)}
    grown = script.grow(weights, factor=2)
    found = [grown[f"bert.encoder.layer.{i}.output.dense.weight"].item() for i in range(4)]
    assert found == [1.0, 0.0, 2.0, 0.0]
    assert grown["classifier.bias"].item() == 9.0
    assert len(grown) == 5


def test_the_learning_rate_rises_stays_and_falls() -> None:
    stage = script.Stage(layers=3, steps=100, learning_rate=1.0)
    rates = [script.learning_rate(step, stage) for step in (0, 4, 50, 75, 99)]
    assert rates == pytest.approx([0.2, 1.0, 1.0, 0.5, 0.02])


def test_an_epoch_of_batches_holds_each_row_once() -> None:
    lengths = torch.arange(1000) % 30
    batches = script.endless_batches(lengths, torch.Generator().manual_seed(0))
    epoch = [next(batches) for _ in range(-(-1000 // script.BATCH_SIZE))]
    assert sorted(torch.cat(epoch).tolist()) == list(range(1000))
    assert max(int(lengths[b].max() - lengths[b].min()) for b in epoch) < 10


def test_dev_and_test_sentences_are_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = script.build_tokenizer()
    everything = script.tagged_text(200, 0, tokenizer)
    drawn = script.tagged_sentences(200, 0)
    secret = LabelledSentence(" ".join(drawn[7].words), 1)
    monkeypatch.setattr(script, "generate", lambda: {"dev": [secret], "test": []})
    without = script.tagged_text(200, 0, tokenizer)
    alike = sum(sentence.words == drawn[7].words for sentence in drawn)
    assert len(everything.lengths_N) == 200
    assert len(without.lengths_N) == 200 - alike


def test_a_row_of_text_is_framed_and_its_frame_has_no_tag() -> None:
    tokenizer = script.build_tokenizer()
    text, drawn = script.tagged_text(20, 0, tokenizer), script.tagged_sentences(20, 0)
    length = len(drawn[3].words) + 2
    row = text.input_ids_NL[3, :length].tolist()
    tokens = tokenizer.convert_ids_to_tokens(row)
    assert tokens == ["[CLS]", *drawn[3].words, "[SEP]"]
    assert text.tags_NL[3, :length].tolist() == [-100, *drawn[3].tags, -100]
    assert bool((text.tags_NL[3, length:] == -100).all())


def test_the_whole_way_from_nothing_to_a_folder(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(script, "HELD_OUT_ROWS", 20)
    monkeypatch.setattr(script, "BATCH_SIZE", 4)
    stages = (script.Stage(1, 100, 2.0e-3), script.Stage(2, 2, 1.0e-3))
    tokenizer = script.build_tokenizer()
    model = script.pretrain(0, tokenizer, stages, rows=16)
    script.export(model, tokenizer, seed=0, out=tmp_path / "made")
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "made")
    assert loaded.config.num_hidden_layers == 2
    trained = model.bert.encoder.layer[1].output.dense.weight
    torch.testing.assert_close(
        loaded.bert.encoder.layer[1].output.dense.weight, trained.half().float()
    )
    assert len(AutoTokenizer.from_pretrained(tmp_path / "made")) == len(tokenizer)
    printed = capsys.readouterr().out
    assert "1 layers, step 100/100: loss" in printed
    assert "2 layers: 0." in printed
