from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.models.folders import CONFIG, bert_weights
from transformers import AutoTokenizer, BertTokenizer, RobertaTokenizer

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.source import ModelRef
from alpkd_pipeline.models.tokenizer_identity import (
    check_same_tokenizer,
    tokenizer_digest,
    tokenizer_key,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "##ly"]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    folder = tmp_path / "bert"
    BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}).save_pretrained(folder)
    return folder


def changed(folder: Path, change: Change, name: str = "tokenizer.json") -> str:
    """The digest after an edit of one of the tokenizer's files."""
    path = folder / name
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values, indent=1))
    return tokenizer_digest(folder)


def set_type(values: dict[str, Any]) -> None:
    del values["model"]["type"]


SAME: dict[str, Change] = {
    "padding and truncation": lambda v: v.update(
        padding={"strategy": {"Fixed": 128}}, truncation={"max_length": 128}
    ),
    "version of the file": lambda v: v.update(version="2.0"),
    "decoder": lambda v: v.update(decoder=None),
    "settings that are off": lambda v: v["model"].update(end_of_word_suffix="", fuse_unk=False),
    "no type, as old files": set_type,
    "another form of the same template": lambda v: v.update(
        post_processor={"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}
    ),
}

OTHER: dict[str, Change] = {
    "vocabulary": lambda v: v["model"]["vocab"].update(new=8),
    "two words swapped": lambda v: v["model"]["vocab"].update(good=6, bad=5),
    "prefix": lambda v: v["model"].update(continuing_subword_prefix="@@"),
    "lower case": lambda v: v["normalizer"].update(strip_accents=False),
    "splitting": lambda v: v.update(pre_tokenizer={"type": "Whitespace"}),
    "a special token more": lambda v: v["added_tokens"].append({"id": 8, "content": "[NEW]"}),
    "nothing around a text": lambda v: v.update(post_processor=None),
}


@pytest.mark.parametrize("name", SAME)
def test_what_does_not_count(bert: Path, name: str) -> None:
    (bert / "tokenizer_config.json").unlink()
    assert tokenizer_digest(bert) == changed(bert, SAME[name])


@pytest.mark.parametrize("name", OTHER)
def test_what_counts(bert: Path, name: str) -> None:
    (bert / "tokenizer_config.json").unlink()
    assert tokenizer_digest(bert) != changed(bert, OTHER[name])


def test_the_setting_that_wins_over_the_file_counts(bert: Path) -> None:
    """A BERT tokenizer is loaded with the lower-casing of tokenizer_config.json."""
    before = tokenizer_digest(bert)
    name = "tokenizer_config.json"
    assert changed(bert, lambda v: v.update(do_lower_case=False), name) != before
    assert AutoTokenizer.from_pretrained(bert).tokenize("GOOD") == ["[UNK]"]
    assert changed(bert, lambda v: v.update(do_lower_case=True, model_max_length=7), name) == before


def test_saved_again_it_is_the_same(bert: Path, tmp_path: Path) -> None:
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "again")
    assert tokenizer_digest(tmp_path / "again") == tokenizer_digest(bert)
    check_same_tokenizer(bert, tmp_path / "again")


def test_vocab_txt_is_the_tokenizer_that_the_library_makes_of_it(
    bert: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    assert tokenizer_digest(old) == tokenizer_digest(bert)
    (old / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert tokenizer_digest(old) != tokenizer_digest(bert)


def test_merges_as_pairs_and_as_words_are_the_same(tmp_path: Path) -> None:
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4, "a": 5, "b": 6, "ab": 7}
    RobertaTokenizer(vocab=vocab, merges=[("a", "b")]).save_pretrained(tmp_path)
    before = tokenizer_digest(tmp_path)
    assert changed(tmp_path, lambda v: v["model"].update(merges=["a b"])) == before
    assert changed(tmp_path, lambda v: v["model"].update(merges=[])) != before


def test_a_prefix_space_counts(tmp_path: Path) -> None:
    vocab = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
    for name, space in (("a", False), ("b", True)):
        tokenizer = RobertaTokenizer(vocab=vocab, merges=[], add_prefix_space=space)
        tokenizer.save_pretrained(tmp_path / name)
    with pytest.raises(UserError, match="another tokenizer"):
        check_same_tokenizer(tmp_path / "a", tmp_path / "b")


def test_a_tokenizer_without_its_json_is_its_files(tmp_path: Path) -> None:
    (tmp_path / "spm.model").write_bytes(b"pieces")
    before = tokenizer_digest(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false, "sp_dir": "x"}')
    assert tokenizer_digest(tmp_path) == before
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert tokenizer_digest(tmp_path) != before
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "spm.model").write_bytes(b"other pieces")
    assert tokenizer_digest(tmp_path) != before


def test_no_tokenizer_and_a_broken_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tokenizer"):
        tokenizer_digest(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        tokenizer_digest(tmp_path)


def test_the_key_of_a_hub_model_is_its_commit(tmp_path: Path) -> None:
    one = tokenizer_key(ModelRef("org/name", "0" * 40), tmp_path)
    assert one == tokenizer_key(ModelRef("org/name", "0" * 40), tmp_path)
    assert one != tokenizer_key(ModelRef("org/name", "1" * 40), tmp_path)
    with pytest.raises(UserError, match="40 hex digits"):
        tokenizer_key(ModelRef("org/name", "main"), tmp_path)


def test_the_key_of_a_folder_is_its_tokenizer(tmp_path: Path, bert: Path) -> None:
    (bert / "config.json").write_text(json.dumps(CONFIG))
    (bert / "model.safetensors").write_bytes(bert_weights())
    assert tokenizer_key(ModelRef("./bert"), tmp_path) == tokenizer_digest(bert)
