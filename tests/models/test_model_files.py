"""Model folders made to harm: one line each, in little memory, and before anything is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from tests.models.folders import CONFIG, bert_tensors, bert_weights

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.model_files import (
    DEEPEST,
    LARGEST,
    check_files,
    read_config,
    read_json_object,
    tensor_shapes,
    weight_files,
)
from alpkd_pipeline.models.source import check_folder

Spoil = Callable[[Path], None]
INDEX = "model.safetensors.index.json"


def write(name: str, text: str) -> Spoil:
    return lambda folder: (folder / name).write_text(text) and None  # type: ignore[func-returns-value]


def config(**changes: Any) -> Spoil:
    return write("config.json", json.dumps(CONFIG | changes))


def index(weight_map: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "part.safetensors")
        (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))

    return spoil


def link(name: str, to: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(to)

    return spoil


def pipe(name: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).parent.mkdir(exist_ok=True)
        os.mkfifo(folder / name)

    return spoil


def sparse(name: str, size: int = 10 * 2**30, start: bytes = b"") -> Spoil:
    """A file that says to have 10 GB and takes no room."""

    def spoil(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            file.write(start)
            file.truncate(size)

    return spoil


def header(facts: Any, length: int | None = None, data: bytes = b"") -> Spoil:
    text = json.dumps(facts).encode()
    start = (len(text) if length is None else length).to_bytes(8, "little")
    return lambda folder: (folder / "model.safetensors").write_bytes(start + text + data) and None  # type: ignore[func-returns-value]


def tensor(shape: Any, offsets: Any, dtype: Any = "F32") -> dict[str, Any]:
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


DEEP = '{"a":' * 200_000 + "1" + "}" * 200_000
LISTS = '{"a": ' + "[" * 101 + "]" * 101 + "}"

CRAFTED: dict[str, tuple[Spoil, str]] = {
    "a config nested 200,000 levels deep": (write("config.json", DEEP), "levels deep"),
    "a config of 102 levels": (write("config.json", LISTS), "levels deep"),
    "a tokenizer's config nested deep": (write("tokenizer_config.json", DEEP), "levels deep"),
    "a list of model types": (config(model_type=["bert"]), "model_type"),
    "architectures that are a number": (config(architectures=33), "architectures"),
    "architectures that are numbers": (config(architectures=[33]), "architectures"),
    "id2label as a list": (config(id2label=["no", "yes"]), "id2label"),
    "id2label by name": (config(id2label={"no": 0, "yes": 1}), "id2label"),
    "label2id as a text": (config(label2id="no yes"), "label2id"),
    "a decoder": (config(is_decoder=True), "is_decoder"),
    "a billion layers": (config(num_hidden_layers=10**9), "num_hidden_layers = 1000000000"),
    "a trillion words": (config(vocab_size=10**12), "vocab_size = 1000000000000"),
    "a billion outputs": (config(num_labels=10**9), "num_labels = 1000000000"),
    "layers that are true": (config(num_hidden_layers=True), "num_hidden_layers = True"),
    "a width of text": (config(hidden_size="4"), "hidden_size = '4'"),
    "heads that do not share the width": (config(num_attention_heads=3), "num_attention_heads = 3"),
    "a tokenizer that makes tokens": (
        write(
            "tokenizer_config.json", '{"tokenizer_class": "T5Tokenizer", "extra_ids": 100000000}'
        ),
        "extra_ids = 100000000",
    ),
    "a weight map that is a list": (index(["part.safetensors"]), "weight_map"),
    "a weight map to numbers": (index({"x": 3}), "weight_map"),
    "no weight map": (index(None), "weight_map"),
    "a map of weights that are elsewhere": (index({"x": "part.safetensors"}), "where it is not"),
    "a config that never ends": (link("config.json", "/dev/zero"), "not a regular file"),
    "a tokenizer's config that never ends": (
        link("tokenizer_config.json", "/dev/zero"),
        "not a regular file",
    ),
    "special tokens from a pipe": (pipe("special_tokens_map.json"), "not a regular file"),
    "weights from a pipe": (pipe("model.safetensors"), "not a regular file"),
    "a template from a pipe": (pipe("additional_chat_templates/x.jinja"), "not a regular file"),
    "a config of 10 GB": (sparse("config.json"), f"at most {LARGEST} are read"),
    "a tokenizer of 10 GB": (sparse("tokenizer.json"), f"at most {LARGEST} are read"),
    "a vocabulary of 10 GB": (sparse("vocab.txt"), f"at most {LARGEST} are read"),
    "a header of 9 GB": (
        sparse("model.safetensors", start=(9 * 2**30).to_bytes(8, "little")),
        "not a safetensors file",
    ),
    "a header longer than its file": (header({}, length=10**18), "not a safetensors file"),
    "a header that is a list": (header([1]), "not a safetensors file"),
    "a tensor without a shape": (header({"x": {}}), "not a safetensors file"),
    "a shape below zero": (header(tensor([-1, -1], [0, 4]), data=b"1234"), "not a safetensors"),
    "a shape of texts": (header(tensor(["2"], [0, 8])), "not a safetensors file"),
    "a shape larger than its bytes": (header(tensor([10**12], [0, 4]), data=b"1234"), "not a safe"),
    "a kind of number that is none": (header(tensor([1], [0, 4], None)), "not a safetensors file"),
    "weights that were cut off": (header(tensor([2], [0, 8]), data=b"1234"), "it is cut off"),
}


def refused(check: Callable[[Path], Any], folder: Path) -> str | None:
    try:
        check(folder)
    except UserError as error:
        return str(error)
    return None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(CONFIG))
    (made / "model.safetensors").write_bytes(bert_weights())
    (made / "tokenizer.json").write_text("{}")
    return made


def test_the_folder_is_one_that_is_accepted(folder: Path) -> None:
    (folder / "predictions").mkdir()
    (folder / "README.md").symlink_to("a-file-that-was-not-copied")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    check_folder(folder)


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_folder_is_one_line(folder: Path, name: str) -> None:
    spoil, said = CRAFTED[name]
    spoil(folder)
    with pytest.raises(UserError) as caught:
        check_folder(folder)
    line = str(caught.value)
    assert said in line
    assert str(folder) in line
    assert "\n" not in line
    assert len(line) < 600


CHILD = """
import resource, sys
from pathlib import Path
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.source import ModelRef, locate
resource.setrlimit(resource.RLIMIT_AS, (400 * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
for folder in sys.argv[1:]:
    try:
        locate(ModelRef(folder), Path(), download=False)
    except UserError as error:
        print(error)
"""


def test_crafted_folders_need_little_memory_and_no_patience(tmp_path: Path) -> None:
    """All of them in one process with 400 MB, which would wait for ever or be killed else."""
    folders = []
    for i, (spoil, _said) in enumerate(CRAFTED.values()):
        made = tmp_path / str(i)
        made.mkdir()
        (made / "config.json").write_text(json.dumps(CONFIG))
        (made / "model.safetensors").write_bytes(bert_weights())
        (made / "tokenizer.json").write_text("{}")
        spoil(made)
        folders.append(str(made))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *folders], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == len(CRAFTED)
    assert all(said in line for line, (_spoil, said) in zip(lines, CRAFTED.values(), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from([*CONFIG, "architectures", "id2label", "label2id", "num_labels", "auto_map"]),
)
def test_any_value_of_a_key_is_read_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, value: Any, key: str
) -> None:
    made = tmp_path_factory.getbasetemp() / "any-value"
    made.mkdir(exist_ok=True)
    (made / "config.json").write_text(json.dumps(CONFIG | {key: value}))
    (made / "model.safetensors").write_bytes(bert_weights())
    (made / "tokenizer.json").write_text("{}")
    if line := refused(check_folder, made):
        assert "\n" not in line


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_any_bytes_in_a_header_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int
) -> None:
    made = tmp_path_factory.getbasetemp() / "any-bytes"
    made.mkdir(exist_ok=True)
    whole = bert_weights()
    (made / "model.safetensors").write_bytes(whole[:at] + data + whole[at + len(data) :])
    if line := refused(tensor_shapes, made):
        assert "\n" not in line
    else:
        numbers = sum(int(np.prod(shape)) for shape in tensor_shapes(made).values())
        assert numbers <= 8 * len(whole), "no more is allocated than the file has"


def test_json_of_the_deepest_kind_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    inner = DEEPEST - 1
    path.write_text('{"a": ' + "[" * inner + "]" * inner + "}")
    assert read_json_object(path) is not None
    path.write_text('{"a": ' + "[" * (inner + 1) + "]" * (inner + 1) + "}")
    with pytest.raises(UserError, match="nested more than 100 levels"):
        read_json_object(path)
    assert read_json_object(tmp_path / "none.json") is None


def test_a_config_is_read_as_it_is(folder: Path) -> None:
    assert read_config(folder) == CONFIG
    more = {"id2label": {"0": "no", "1": "yes"}, "label2id": None, "architectures": ["BertModel"]}
    config(**more)(folder)
    assert read_config(folder) == CONFIG | more


def test_weights_in_several_files_are_one_model(folder: Path) -> None:
    weights = bert_tensors()
    files = {name: f"part-{i % 3}.safetensors" for i, name in enumerate(weights)}
    (folder / "model.safetensors").unlink()
    (folder / INDEX).write_text(json.dumps({"weight_map": files}))
    for file in set(files.values()):
        part = {name: weight for name, weight in weights.items() if files[name] == file}
        (folder / file).write_bytes(save(part))
    assert [path.name for path in weight_files(folder)] == sorted(set(files.values()))
    assert tensor_shapes(folder) == {name: weight.shape for name, weight in weights.items()}
    check_folder(folder)


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04K\x01.", b"\xff" * 40, b"\x02" + b"\0" * 7 + b"[]"]
)
def test_a_file_that_is_not_safetensors_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(UserError, match="not a safetensors file"):
        tensor_shapes(tmp_path)


def test_large_files_that_nothing_reads_may_lie_there(folder: Path) -> None:
    sparse("optimizer.pt")(folder)
    sparse("trainer_state.json")(folder)
    check_files(folder)
