from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tests.models.conftest import tiny_config, word_tokenizer
from transformers import AutoModelForSequenceClassification

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export import graph
from alpkd_pipeline.export.graph import CONVERSION, FORMS, convert
from alpkd_pipeline.models.encoder import load_finetuned, save_classifier
from alpkd_pipeline.models.shape import FAMILIES
from alpkd_pipeline.store.manifest import read_json

SHAPES = ((1, 1), (1, 3), (2, 7), (3, 16), (5, 40))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    def save(family: str, labels: int) -> Path:
        folder = tmp_path_factory.mktemp(family)
        config = tiny_config(family, 2, num_labels=labels)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            model = AutoModelForSequenceClassification.from_config(config)
            for weights in model.parameters():
                weights.add_(torch.randn_like(weights) * 0.1)
        save_classifier(model.eval(), word_tokenizer(family), folder)
        return folder

    return save


def differences(folder: Path, onnx_folder: Path, names: list[str]) -> dict[str, float]:
    """By form the largest difference from torch over many shapes, with and without padding."""
    model, draw = load_finetuned(folder), np.random.default_rng(0)
    found = dict.fromkeys(FORMS, 0.0)
    for rows, length in SHAPES:
        for padded in (False, True):
            ids = draw.integers(5, 60, (rows, length))
            mask = np.ones_like(ids)
            if padded and length > 2:
                mask[-1, length // 2 :] = 0
                ids[-1, length // 2 :] = model.config.pad_token_id or 0
            types = np.zeros_like(ids)
            types[:, length // 2 :] = 1
            made = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
            feed = {name: made[name].astype(np.int64) for name in names}
            with torch.no_grad():
                wanted = model(**{n: torch.from_numpy(v) for n, v in feed.items()}).logits.numpy()
            for form, file in FORMS.items():
                session = onnxruntime.InferenceSession(onnx_folder / file)
                (logits,) = session.run(["logits"], feed)
                found[form] = max(found[form], float(np.abs(logits - wanted).max()))
    return found


QUICK = ("bert", "modernbert")


@pytest.mark.parametrize(
    ("family", "labels"),
    [
        pytest.param(f, n, marks=[] if (f in QUICK and n == 3) else [pytest.mark.slow])
        for f in sorted(FAMILIES)
        for n in (1, 2, 3)
    ],
)
def test_every_family_predicts_as_torch_does(
    saved: Callable[[str, int], Path], tmp_path: Path, family: str, labels: int
) -> None:
    folder = saved(family, labels)
    convert(folder, tmp_path, opset=20)
    facts = read_json(tmp_path / CONVERSION)
    typed = ["token_type_ids"] if family in ("bert", "electra") else []
    assert facts["inputs"] == ["input_ids", "attention_mask", *typed]
    found = differences(folder, tmp_path, facts["inputs"])
    assert found["fp32"] < 1e-5
    assert found["fp32"] < found["int8"] < 1.0


def test_a_graph_knows_its_opset_and_nothing_of_the_machine(
    saved: Callable[[str, int], Path], tmp_path: Path
) -> None:
    folder = saved("distilbert", 2)
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        convert(folder, tmp_path / name, opset=19)
        digests.append(
            [hashlib.sha256((tmp_path / name / f).read_bytes()).hexdigest() for f in FORMS.values()]
        )
    assert digests[0] == digests[1]
    for file in FORMS.values():
        model = onnx.load(tmp_path / "one" / file)
        assert {one.version for one in model.opset_import if not one.domain} == {19}
        held = (tmp_path / "one" / file).read_bytes()
        for word in (b".py", b"site-packages", str(tmp_path).encode(), b"/home", b"stack_trace"):
            assert word not in held
        shape = [d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim]
        assert shape == ["batch", "length"]
    sizes = [(tmp_path / "one" / FORMS[form]).stat().st_size for form in ("fp32", "int8")]
    assert sizes[1] < 0.8 * sizes[0]


def test_int8_weights_are_signed_per_channel_and_hold_the_embedding(
    saved: Callable[[str, int], Path], tmp_path: Path
) -> None:
    convert(saved("bert", 2), tmp_path, opset=20)
    model = onnx.load(tmp_path / FORMS["int8"])
    weights = {one.name: one for one in model.graph.initializer}
    quantised = [name for name in weights if name.endswith("_quantized")]
    assert any("word_embeddings" in name for name in quantised)
    kinds = {weights[name].data_type for name in quantised if "embedding" not in name}
    assert kinds == {onnx.TensorProto.INT8}
    scales = [w for name, w in weights.items() if name.endswith("_scale") and len(w.dims) == 1]
    assert any(scale.dims[0] > 1 for scale in scales)


def test_an_opset_that_cannot_be_had_is_one_line(
    saved: Callable[[str, int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = saved("bert", 2)
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: 1 / 0)
    with pytest.raises(
        UserError, match=r"cannot be exported with export\.opset=20: division by zero"
    ):
        convert(folder, tmp_path, opset=20)


def test_without_the_extra_the_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(graph, "find_spec", lambda n: None if n == "onnxscript" else known(n))
    with pytest.raises(UserError, match=r"the export needs onnxscript: pip install .*\[export\]"):
        graph.check_libraries()
