"""The student's training: distillation, or plain fine-tuning for the baseline without a teacher."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from alpkd_pipeline.distillation.attention_stats import AttentionStats
from alpkd_pipeline.distillation.cache import CachedSignals, write_signals
from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.registry import build_method
from alpkd_pipeline.distillation.signals import Signal, SignalSource
from alpkd_pipeline.models.encoder import (
    load_classifier,
    load_finetuned,
    load_tokenizer,
    name_outputs,
)
from alpkd_pipeline.models.shape import Shape, shape_of
from alpkd_pipeline.models.student import EncoderSizes, Head, build_student
from alpkd_pipeline.models.tokenizer_identity import check_same_tokenizer
from alpkd_pipeline.store.journal import MEMORY
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.training.batching import Selection, collate
from alpkd_pipeline.training.devices import (
    Accelerator,
    accelerator_for,
    environment,
    freed_memory_kept,
    resolve_hardware,
)
from alpkd_pipeline.training.distill import LiveTeacher, distill_step
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.predict import BatchOutput, iterate_outputs
from alpkd_pipeline.training.preflight import check_fits, check_saves
from alpkd_pipeline.training.run import train_and_write
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.scorer import Observer

log = logging.getLogger(__name__)

SIGNALS = "signals.json"


def record_signals(run: RunConfig, folder: Path) -> None:
    """Write the teacher's logits and pooled layers for train and the first dev split.

    Args:
        run: a signals or student run; `inputs.teacher` and `inputs.encoded` are read.
        folder: where the arrays go.
    """
    asked = run.params["teacher"]["training"]
    hardware = resolve_hardware(asked["device"], asked["precision"], asked["threads"])
    started, rows = time.perf_counter(), 0
    with accelerator_for(hardware) as accelerator, freed_memory_kept():
        source = run.inputs["teacher"]
        model = load_finetuned(source).to(accelerator.device)
        pad_id = int(load_tokenizer(source).pad_token_id)
        limit = RowLimit(asked["eval_batch_size"], "evaluation")
        for name in ("train", run.task.dev_splits[0]):
            split = read_encoded(run.inputs["encoded"], name)
            outputs = iterate_outputs(
                model,
                split,
                accelerator,
                batch_size=asked["eval_batch_size"],
                pad_id=pad_id,
                pooling=run.params["method"]["pooling"],
                layers=True,
                limit=limit,
            )
            write_signals(folder, name, len(split), outputs, run.params["signals"]["dtype"])
            rows += len(split)
    seconds = round(time.perf_counter() - started, 3)
    said = {"rows": rows, "seconds": seconds, "environment": environment(hardware)}
    write_json(folder / SIGNALS, said | ({MEMORY: limit.noted} if limit.noted else {}))
    log.info("teacher signals: %d rows in %.1f s", rows, seconds)


TeacherReader = Callable[[BatchOutput], Signal]
"""The teacher's signals for the rows of a batch of the student's outputs."""


def attention_observer(
    method: Method, read_teacher: TeacherReader, split: EncodedSplit
) -> Callable[[list[BatchOutput]], dict[str, Any]]:
    """An observer for `train_and_write`.

    Args:
        method: a method with attention, in training; what it learns may change between two looks.
        read_teacher: gives the teacher's signals for some rows.
        split: the split that the rows belong to.
    """
    buckets = method.buckets

    def look(outputs: list[BatchOutput]) -> dict[str, Any]:
        stats = AttentionStats(buckets, method.setup.sizes.teacher_layers)
        for out in outputs:
            labels = torch.from_numpy(split.labels[out.rows].copy()).to(out.logits.device)
            with torch.no_grad():
                terms = method(Signal(out.logits, out.layers), read_teacher(out), labels)
            if terms.weights is not None:
                stats.update(terms.weights)
        summary = stats.summary()
        return {
            "attention": {
                "weights": [list(row) for row in summary.mean_weights],
                "entropy": list(summary.entropy),
                "max_entropy": list(summary.max_entropy),
                "examples": summary.examples,
            }
        }

    return look


def train_student(run: RunConfig) -> None:
    """Distil the teacher in `inputs.teacher` into a student, and write the run folder."""
    if "signals" in run.inputs and not run.inputs["signals"].is_dir():
        record_signals(run, run.inputs["signals"])
    asked = run.training
    hardware = resolve_hardware(asked["device"], asked["precision"], asked["threads"])
    with accelerator_for(hardware) as accelerator, freed_memory_kept():
        teacher = load_finetuned(run.inputs["teacher"])
        student = _build(run, teacher).to(accelerator.device)
        method = _method(run, shape_of(teacher.config.to_dict()), student).to(accelerator.device)
        tokenizer = load_tokenizer(run.inputs["teacher"])
        own = run.inputs.get("checkpoint")
        source = own or run.inputs.get("model") or run.inputs["teacher"]
        check_fits(student, tokenizer, run.inputs["encoded"], source, accelerator)
        if own is not None:  # Other students are saved as their teacher was.
            check_saves(student, tokenizer, own, run.folder)
        signals = _Teacher(run, teacher, method, accelerator, tokenizer)
        train_and_write(
            run,
            model=student,
            tokenizer=tokenizer,
            step=distill_step(
                student, method, signals.for_split("train"), accelerator, _pooling(run)
            ),
            learned=list(method.learned),
            term_weights=_term_weights(method),
            accelerator=accelerator,
            hardware=hardware,
            observer=signals.observer if method.setup.row.attention else None,
            begin_epoch=method.begin_epoch,
        )


class _Teacher:
    """The teacher's signals for any split: from the cache, or live if run or method say so."""

    def __init__(
        self,
        run: RunConfig,
        teacher: PreTrainedModel,
        method: Method,
        accelerator: Accelerator,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        self._encoded: Path = run.inputs["encoded"]
        row = method.setup.row
        self._cache = None if row.live else run.inputs.get("signals")
        self._method = method
        self._accelerator = accelerator
        self._pad_id = int(tokenizer.pad_token_id)
        self._live: LiveTeacher | None = None
        if method.needs and self._cache is None:
            moved = teacher.to(accelerator.device)
            layers = "layers" in method.needs
            self._live = LiveTeacher(
                moved, accelerator, _pooling(run), layers, method.teacher_tokens
            )

    def for_split(self, name: str) -> SignalSource | None:
        """Where the signals for one split's batches come from; None for a method without."""
        if not self._method.needs or self._cache is None:
            return self._live
        layers = "layers" in self._method.needs
        return CachedSignals(self._cache, name, self._accelerator.device, layers=layers)

    def observer(self, chosen: Selection) -> Observer:
        """Watches the attention on the selecting rows."""
        split = read_encoded(self._encoded, chosen.split)
        source = self.for_split(chosen.split)
        assert source is not None

        def read(out: BatchOutput) -> Signal:
            batch = collate(split, out.rows, self._pad_id).to(self._accelerator.device)
            return source.signals(batch.rows, batch.inputs)

        return attention_observer(self._method, read, split)


def _pooling(run: RunConfig) -> str:
    return str(run.params["method"]["pooling"])


def _build(run: RunConfig, teacher: PreTrainedModel) -> PreTrainedModel:
    asked = run.params["student"]
    start = teacher
    if asked["init_from"] == "pretrained":
        start = load_classifier(run.inputs["model"], run.task, run.seed)
    checkpoint = None
    if asked["init"] == "checkpoint":
        check_same_tokenizer(run.inputs["teacher"], run.inputs["checkpoint"])
        checkpoint = load_classifier(run.inputs["checkpoint"], run.task, run.seed)
    # An encoder before fine-tuning has no head worth copying.
    head: Head = "fresh" if asked["init_from"] == "pretrained" else asked["head"]
    student = build_student(
        start,
        layers=asked["layers"],
        init=asked["init"],
        head=head,
        seed=run.seed,
        sizes=EncoderSizes(asked["hidden_size"], asked["heads"], asked["intermediate_size"]),
        checkpoint=checkpoint,
    )
    # Label names travel with the model, wherever its layers come from.
    name_outputs(student.config, run.task)
    return student


def _method(run: RunConfig, teacher: Shape, student: PreTrainedModel) -> Method:
    asked = {k: v for k, v in run.params["method"].items() if v is not None and k != "pooling"}
    shape = shape_of(student.config.to_dict())
    return build_method(
        asked.pop("name"),
        teacher_layers=teacher.layers,
        student_layers=shape.layers,
        teacher_width=teacher.width,
        student_width=shape.width,
        teacher_heads=teacher.heads,
        student_heads=shape.heads,
        task=run.task.kind,
        lambda_=asked.pop("lambda", None),
        seed=run.seed,
        **asked,
    )


def _term_weights(method: Method) -> dict[str, float]:
    settings = method.setup.settings
    weights = {"hard": settings.beta, "soft": settings.eta, "intermediate": settings.lambda_}
    return {name: value for name, value in weights.items() if value is not None}
