from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_tokenizer, save_classifier

Save = Callable[..., Path]


def test_a_tokenizer_pads_on_the_right(make_model: Any, save_folder: Save) -> None:
    folder = save_folder(make_model("bert"))
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "padding_side": "left"}))
    padded = load_tokenizer(folder)(["w1", "w1 w2 w3"], padding=True)["input_ids"]
    assert padded[0] == [2, 6, 3, 0, 0]


def sentencepiece_alone(folder: Path, name: str, **more: Any) -> list[int]:
    """Puts a sentencepiece model in the place of a tokenizer.json; the ids of a text by it."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    pieces = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(["a good film", "a bad film", "all is well that ends well"] * 9),
        model_writer=pieces,
        vocab_size=22,
        minloglevel=2,
        **more,
    )
    (folder / name).write_bytes(pieces.getvalue())
    return SentencePieceProcessor(model_proto=pieces.getvalue()).encode("a well ended film")


def test_a_tokenizer_that_is_a_sentencepiece_model_alone(
    make_model: Any, save_folder: Save
) -> None:
    """As DeBERTa-v2 and v3 were published, without a tokenizer.json."""
    folder = save_folder(make_model("deberta-v2"))
    ids = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
    names = {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
    pieces = {f"{name}_piece": token for name, token in names.items()}
    own = sentencepiece_alone(folder, "spm.model", **ids, **pieces)
    assert load_tokenizer(folder)("a well ended film").input_ids == [1, *own, 2]


@pytest.mark.parametrize(
    ("known", "more", "start", "end"), [("xlm-roberta", 1, 0, 2), ("camembert", 4, 5, 6)]
)
def test_pieces_are_numbered_after_the_special_tokens_of_a_family(
    known: str, more: int, start: int, end: int, make_model: Any, save_folder: Save
) -> None:
    """A pair is <s> A </s></s> B </s>; neither family has token types of its own."""
    folder = save_folder(make_model(known))
    own = [i + more for i in sentencepiece_alone(folder, "sentencepiece.bpe.model")]
    pair = load_tokenizer(folder)("a well ended film", "a well ended film")
    assert pair.input_ids == [start, *own, end, end, *own, end]
    assert set(pair.get("token_type_ids", [0])) == {0}


def test_a_tokenizer_without_padding_is_refused(
    tmp_path: Path, make_model: Any, make_tokenizer: Any
) -> None:
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    save_classifier(make_model("bert"), tokenizer, tmp_path)
    with pytest.raises(UserError, match="padding token"):
        load_tokenizer(tmp_path)


def test_a_broken_tokenizer_is_refused(make_model: Any, save_folder: Save) -> None:
    folder = save_folder(make_model("bert"))
    (folder / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(UserError, match="tokenizer cannot be loaded"):
        load_tokenizer(folder)
