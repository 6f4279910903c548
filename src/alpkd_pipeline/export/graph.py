"""A model as ONNX files, in fp32 and in dynamic int8.

Exported with eager attention: the graph is smaller, and right where a row begins with padding
(ModernBERT's fused one is not). Names of files are those that transformers.js and others look for.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer
from alpkd_pipeline.store.manifest import write_json

FORMS = {"fp32": "onnx/model.onnx", "int8": "onnx/model_int8.onnx"}  # name -> file
CONVERSION = "onnx.json"
LIBRARIES = ("onnx", "onnxruntime", "onnxscript")


def check_libraries() -> None:
    """Refuse at once where the extra [export] is not installed."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UserError(
            f"the export needs {', '.join(missing)}: pip install -c constraints.txt -e '.[export]'"
        )


class _Logits(nn.Module):
    """A classifier that returns a tensor, not an object with one in it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        output = self.model(input_ids=input_ids, attention_mask=attention_mask, **types)
        return cast(Tensor, output.logits)


def convert(model: Path, folder: Path, *, opset: int) -> None:
    """Write a fine-tuned model's folder as `FORMS`, and `CONVERSION`, which is about them.

    Inputs are int64 (batch, length), both free: input_ids, attention_mask and, where the tokenizer
    makes them, token_type_ids; the output is `logits`, float32 (batch, outputs). UserError if a
    library is missing, or the model cannot be exported with that opset.
    """
    check_libraries()
    loaded, inputs = load_finetuned(model), _example(model)
    loaded.set_attn_implementation("eager")
    for name in FORMS.values():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    _export(_Logits(loaded).eval(), inputs, folder / FORMS["fp32"], opset)
    quantise(folder / FORMS["fp32"], folder / FORMS["int8"])
    libraries = {name: version(name) for name in (*LIBRARIES, "torch", "transformers")}
    write_json(folder / CONVERSION, {"opset": opset, "inputs": [*inputs], "libraries": libraries})


def _example(model: Path) -> dict[str, Tensor]:
    """Two rows by which the graph is found; the second one is padded."""
    names = load_tokenizer(model).model_input_names
    mask = torch.ones((2, 16), dtype=torch.int64)
    mask[1, 8:] = 0
    tensors = {
        # Above the ids of padding, whose places some families leave out.
        "input_ids": torch.full_like(mask, 5),
        "attention_mask": mask,
        "token_type_ids": torch.zeros_like(mask),
    }
    return {name: tensor for name, tensor in tensors.items() if name in names}


def _export(model: nn.Module, inputs: Mapping[str, Tensor], path: Path, opset: int) -> None:
    import onnx

    try:
        with torch.no_grad(), _quiet():
            program = torch.onnx.export(
                model,
                (),
                kwargs=dict(inputs),
                dynamo=True,
                input_names=[*inputs],
                output_names=["logits"],
                dynamic_shapes={name: {0: "batch", 1: "length"} for name in inputs},
                opset_version=opset,
            )
    except Exception as error:  # the exporter's own, and whatever it met on its way
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"the model cannot be exported with export.opset={opset}: {reason}"
        ) from None
    assert program is not None
    graph = program.model_proto
    _forget_where(graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def _forget_where(graph: Any) -> None:
    """Remove what the exporter notes of itself: stack traces with paths of this machine."""
    parts = [graph, *graph.graph.initializer, *graph.graph.input, *graph.graph.output]
    for part in (graph.graph, *graph.functions):
        parts += [part, *part.node, *part.value_info]
    for part in parts:
        del part.metadata_props[:]
        if hasattr(part, "doc_string"):
            part.doc_string = ""


def quantise(fp32: Path, int8: Path) -> None:
    """Write dynamic int8 of an ONNX file: weights as int8 per channel, activations as met.

    Word embeddings too, which are most of a shallow model. Per channel costs nothing and changes
    a third as many answers as per tensor; unsigned weights are slower on processors of today.
    A reduced range is for processors that saturate without VNNI, and worse on all others.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():
        quantize_dynamic(
            fp32,
            int8,
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """In which the libraries do not tell of their deprecations and of packages that they miss."""
    before, unread = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(unread),
            contextlib.redirect_stderr(unread),
        ):
            yield
    finally:
        logging.disable(before)
