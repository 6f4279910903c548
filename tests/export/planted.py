"""Faults of an export, each planted into a folder as `publish_run` has it before the gate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from tests.export.conftest import MAX_LENGTH, WORDS, MakeWorld, World
from tests.models.conftest import SPECIALS

from alpkd_pipeline.constraints import block_of
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.export.calibrate import Calibration
from alpkd_pipeline.export.dev_rows import Dev, check_tokenizer
from alpkd_pipeline.export.graph import FORMS, convert, quantise
from alpkd_pipeline.export.publish import check_copies, pass_gate, write_settings
from alpkd_pipeline.export.settings import ExportSettings
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer, save_classifier
from alpkd_pipeline.store.run_folder import RunFolder

FAMILIES = {"bert": "pairs", "roberta": "three", "distilbert": "number"}
"""Encoder -> the task of its planted models: pairs with token types, three classes, a number."""

INT8 = "int8"


@dataclass(frozen=True)
class Plant:
    """A place to plant in."""

    world: World
    other: Callable[[], World]  # the same model from another seed
    folder: Path

    def settings(self, **changes: Any) -> None:
        """Write other settings, with hashes that fit."""
        said = json.loads((self.folder / "export.json").read_text())
        write_settings(self.folder, {**said, **changes})

    def graph(self, change: Callable[[onnx.ModelProto], None], form: str = "fp32") -> None:
        path = self.folder / FORMS[form]
        model = onnx.load(path)
        change(model)
        onnx.save(model, path)

    def weights(
        self, named: str, change: Callable[[np.ndarray], np.ndarray], form: str = "fp32"
    ) -> None:
        """Change the constants of an ONNX file whose names hold some text."""

        def changed(model: onnx.ModelProto) -> None:
            found = [w for w in model.graph.initializer if named in w.name]
            assert found, [w.name for w in model.graph.initializer]
            for weight in found:
                value = numpy_helper.to_array(weight)
                made = change(value).astype(value.dtype)
                weight.CopyFrom(numpy_helper.from_array(made, weight.name))

        self.graph(changed, form)

    def model(self, change: Callable[[torch.nn.Module], None]) -> None:
        """Convert a changed model in the place of the right one."""
        model, scratch = load_finetuned(self.world.model), self.folder.with_name("changed")
        with torch.no_grad():
            change(model)
        save_classifier(model, load_tokenizer(self.world.model), scratch)
        convert(scratch, scratch, opset=20)
        for name in FORMS.values():
            shutil.copy(scratch / name, self.folder / name)

    def tokenizer(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.folder / "tokenizer.json"
        said = json.loads(path.read_text())
        change(said)
        path.write_text(json.dumps(said))

    def words(self, name: str, value: Any) -> None:
        path = self.folder / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))


def stale(plant: Plant) -> None:
    for name in FORMS.values():
        shutil.copy(plant.other().onnx / name, plant.folder / name)


def half_precision(plant: Plant) -> None:
    """Weights that overflow in fp16, as a careless conversion leaves them."""

    def change(value: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return (value * 1e6).astype(np.float16).astype(np.float32)

    plant.weights("classifier", change)


def swap(plant: Plant) -> None:
    labels = plant.world.task.label_names
    plant.settings(labels=[*labels[1:], labels[0]])


def threshold(plant: Plant, share: float) -> float:
    """What a share of the dev rows' probabilities of the second class lies below."""
    second = Calibration().probabilities(plant.world.dev().rows.logits)[:, 1]
    return float(np.quantile(second, share))


def shuffled_vocabulary(said: dict[str, Any]) -> None:
    vocabulary = said["model"]["vocab"]
    names = [f"w{i}" for i in range(WORDS)]
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        vocabulary[name] = len(SPECIALS) + int(other[1:])


def no_specials(said: dict[str, Any]) -> None:
    said["post_processor"] = None


def one_type(said: dict[str, Any]) -> None:
    for part in said["post_processor"]["pair"]:
        next(iter(part.values()))["type_id"] = 0


def case(said: dict[str, Any]) -> None:
    said["normalizer"] = {"type": "Replace", "pattern": {"String": "w1"}, "content": "W1"}


def turned(model: torch.nn.Module) -> None:
    """Another pooling: the classifier reads the first layer's states instead of the last ones."""
    layers = model.base_model.get_submodule(
        "transformer.layer" if model.config.model_type == "distilbert" else "encoder.layer"
    )
    del layers[-1]
    for name in ("num_hidden_layers", "n_layers"):
        if hasattr(model.config, name):
            setattr(model.config, name, len(layers))


def head(seed: int) -> Callable[[torch.nn.Module], None]:
    def change(model: torch.nn.Module) -> None:
        torch.manual_seed(seed)
        for name, weights in model.named_parameters():
            if name.startswith("classifier"):
                weights.copy_(torch.randn_like(weights) * 0.5)

    return change


def positions(model: torch.nn.Module) -> None:
    for name, weights in model.named_parameters():
        if "position_embeddings" in name:
            weights.copy_(weights.flip(0))


def added(seed: int, size: float) -> Callable[[torch.nn.Module], None]:
    def change(model: torch.nn.Module) -> None:
        torch.manual_seed(seed)
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * size)

    return change


def collapsed(value: np.ndarray) -> np.ndarray:
    return value * 0


Fault = Callable[[Plant], None]

ANY: Mapping[str, Fault] = {
    "stale ONNX of another student": stale,
    "another vocabulary": lambda p: p.tokenizer(shuffled_vocabulary),
    "no special tokens": lambda p: p.tokenizer(no_specials),
    "a normaliser of another tokenizer": lambda p: p.tokenizer(case),
    "truncation two tokens earlier": lambda p: p.settings(max_length=14),
    "truncation at half": lambda p: p.settings(max_length=8),
    "truncation later": lambda p: p.settings(max_length=24),
    "fp16 overflow": half_precision,
    "a layer less": lambda p: p.model(turned),
    "a head of seed 1": lambda p: p.model(head(1)),
    "a head of seed 2": lambda p: p.model(head(2)),
    "positions turned round": lambda p: p.model(positions),
    "weights of an earlier step": lambda p: p.model(added(0, 0.02)),
    "weights of another epoch": lambda p: p.model(added(1, 0.1)),
    "fp32 weights rounded to 3 bits": lambda p: p.weights("layer", lambda v: np.round(v * 4) / 4),
    "embeddings of zeros": lambda p: p.weights("word_embeddings", collapsed),
    "a head of zeros": lambda p: p.weights("classifier", collapsed),
    "a head twice as large": lambda p: p.weights("classifier", lambda v: 2 * v),
    "the sign of the head": lambda p: p.weights("classifier", lambda v: -v),
    "fp32 and int8 confused": lambda p: (
        shutil.copy(p.folder / FORMS["int8"], p.folder / FORMS["fp32"]) and None
    ),
    "a file cut off": lambda p: (
        (p.folder / FORMS["fp32"]).write_bytes((p.folder / FORMS["fp32"]).read_bytes()[:5000])
        and None
    ),
    "an empty file": lambda p: (p.folder / FORMS["fp32"]).write_bytes(b"") and None,
    "padding on the left": lambda p: p.words("padding_side", "left"),
    "another pad token": lambda p: p.words("pad_token", "[UNK]"),
    "a task without its second text": lambda p: p.settings(
        text_columns=["text"] if len(p.world.task.text_columns) == 2 else ["text", "more"]
    ),
    "int8 embeddings collapsed": lambda p: p.weights(
        "word_embeddings.weight_quantized", collapsed, INT8
    ),
    "int8 scales of zero": lambda p: p.weights("_scale", collapsed, INT8),
    "int8 scales ten times as large": lambda p: p.weights("_scale", lambda v: v * 10, INT8),
    "int8 weights turned round": lambda p: p.weights("_quantized", lambda v: v[::-1], INT8),
    "int8 of another student": lambda p: quantise(
        p.other().onnx / FORMS["fp32"], p.folder / FORMS["int8"]
    ),
}

CLASSES: Mapping[str, Fault] = {
    "labels swapped": swap,
    "labels renamed": lambda p: p.settings(
        labels=[f"LABEL_{i}" for i in range(p.world.task.num_labels)]
    ),
    "a temperature of 1.1": lambda p: p.settings(temperature=1.1),
    "a temperature of 0.5": lambda p: p.settings(temperature=0.5),
    "a temperature of 10": lambda p: p.settings(temperature=10.0),
    "a regression": lambda p: p.settings(kind="regression"),
}

PAIR: Mapping[str, Fault] = {
    "token types dropped by the tokenizer": lambda p: p.tokenizer(one_type),
    "token types dropped by the settings": lambda p: p.settings(
        inputs=["input_ids", "attention_mask"]
    ),
    "token types unknown to transformers": lambda p: p.words(
        "model_input_names", ["input_ids", "attention_mask"]
    ),
    "a high threshold": lambda p: p.settings(threshold=threshold(p, 0.8)),
    "a low threshold": lambda p: p.settings(threshold=threshold(p, 0.2)),
}


def faults() -> Iterator[tuple[str, str]]:
    """Each (encoder, name of a fault)."""
    for encoder, task in FAMILIES.items():
        kinds = [
            ANY,
            *([CLASSES] if task != "number" else []),
            *([PAIR] if task == "pairs" else []),
        ]
        for kind in kinds:
            for name in kind:
                yield encoder, name


def planted(encoder: str, name: str, world: MakeWorld, folder: Path) -> World:
    """A world, and beside it a folder with one fault."""
    made = world(encoder, FAMILIES[encoder])
    fault = {**ANY, **CLASSES, **PAIR}[name]
    made.export(folder)
    fault(Plant(made, lambda: world(encoder, FAMILIES[encoder], 1), folder))
    return made


def caught(world: World, folder: Path) -> dict[str, str]:
    """What refuses a folder, `digest` or `predictions`, and its words."""
    dev, how, found = world.dev(), Calibration(), dict[str, str]()

    def note(name: str, check: Callable[[], object]) -> None:
        try:
            check()
        except UserError as error:
            found.setdefault(name, str(error))

    note("digest", lambda: check_copies(folder, RunFolder(world.model), RunFolder(world.onnx)))
    # As if the fault had been there before the hashes were taken.
    write_settings(folder, json.loads((folder / "export.json").read_text()))
    note("answers", lambda: check_tokenizer(folder, dev, MAX_LENGTH))
    for form in FORMS:
        note("answers", lambda form=form: _judged(world, folder, form, dev, how))
    return found


def _judged(world: World, folder: Path, form: str, dev: Dev, how: Calibration) -> None:
    asked = block_of(ExportSettings, world.config.params["export"])
    verdict, _ = pass_gate(folder, form, dev, how, asked)
    if not verdict.passes(asked.require_bound):
        raise UserError(verdict.line())
