"""The student's training: distillation, or plain fine-tuning for the baseline without a teacher."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from alpkd_pipeline.distillation.buckets import AttentionStats
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
from alpkd_pipeline.training.devices import Accelerator, environment, training_hardware
from alpkd_pipeline.training.distill import Learner, LiveTeacher, distill_step
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.predict import BatchOutput, iterate_outputs
from alpkd_pipeline.training.preflight import check_fits, check_saves
from alpkd_pipeline.training.run import Observer, train_and_write
from alpkd_pipeline.training.run_config import RunConfig

log = logging.getLogger(__name__)

SIGNALS = "signals.json"


def record_signals(run: RunConfig, folder: Path) -> None:
    """Write the teacher's logits and pooled layers for train and the first dev split.

    `inputs.teacher` and `inputs.encoded` of a signals or student run are read.
    """
    started, rows = time.perf_counter(), 0
    with training_hardware(run.teaching) as accelerator:
        source = run.inputs["teacher"]
        model = load_finetuned(source).to(accelerator.device)
        pad_id = int(load_tokenizer(source).pad_token_id)
        limit = RowLimit(run.teaching.eval_batch_size, "evaluation")
        for name in ("train", run.task.dev_splits[0]):
            split = read_encoded(run.inputs["encoded"], name)
            outputs = iterate_outputs(
                model, split, accelerator, limit, pad_id=pad_id, pooling=_pooling(run), layers=True
            )
            write_signals(folder, name, len(split), outputs, run.params["signals"]["dtype"])
            rows += len(split)
    seconds = round(time.perf_counter() - started, 3)
    said = {"rows": rows, "seconds": seconds, "environment": environment(accelerator.hardware)}
    write_json(folder / SIGNALS, said | ({MEMORY: limit.noted} if limit.noted else {}))
    log.info("teacher signals: %d rows in %.1f s", rows, seconds)


def attention_observer(
    method: Method, source: SignalSource, split: EncodedSplit, pad_id: int
) -> Observer:
    """An observer of a method with attention: what it learns may change between two looks.

    `source` gives the teacher's signals for the rows of `split` that are looked at.
    """

    def look(outputs: list[BatchOutput]) -> dict[str, Any]:
        stats = AttentionStats(method.buckets, method.setup.sizes.teacher_layers)
        for out in outputs:
            batch = collate(split, out.rows, pad_id).to(out.logits.device)
            with torch.no_grad():
                said = source.signals(batch.rows, batch.inputs)
                terms = method(Signal(out.logits, out.layers), said, batch.labels)
            if terms.weights is not None:
                stats.update(terms.weights)
        return {"attention": stats.summary()}

    return look


def train_student(run: RunConfig) -> None:
    """Distil the teacher in `inputs.teacher` into a student, and write the run folder."""
    if "signals" in run.inputs and not run.inputs["signals"].is_dir():
        record_signals(run, run.inputs["signals"])
    with training_hardware(run.training) as accelerator:
        teacher = load_finetuned(run.inputs["teacher"])
        student = _build(run, teacher).to(accelerator.device)
        method = _method(run, shape_of(teacher.config.to_dict()), student).to(accelerator.device)
        tokenizer = load_tokenizer(run.inputs["teacher"])
        encoded, own = run.inputs["encoded"], run.inputs.get("checkpoint")
        source = own or run.inputs.get("model") or run.inputs["teacher"]
        check_fits(student, tokenizer, encoded, source, accelerator)
        if own is not None:  # Other students are saved as their teacher was.
            check_saves(student, tokenizer, own, run.folder)
        source_of = _sources(run, teacher, method, accelerator)
        learner = Learner(
            model=student,
            step=distill_step(student, method, source_of("train"), accelerator, _pooling(run)),
            learned=list(method.learned),
            term_weights=_term_weights(method),
            begin_epoch=method.begin_epoch,
        )

        def watch(chosen: Selection) -> Observer:
            split, signals = read_encoded(encoded, chosen.split), source_of(chosen.split)
            assert signals is not None
            return attention_observer(method, signals, split, int(tokenizer.pad_token_id))

        observer = watch if method.setup.row.attention else None
        train_and_write(run, student, tokenizer, learner, accelerator, observer)


def _sources(
    run: RunConfig, teacher: PreTrainedModel, method: Method, accelerator: Accelerator
) -> Callable[[str], SignalSource | None]:
    """Where the teacher's signals for any split come from; None for a method without.

    From the cache, or live if run or method say so.
    """
    cache = None if method.setup.row.live else run.inputs.get("signals")
    layers = "layers" in method.needs
    if not method.needs:
        return lambda _: None
    if cache is not None:
        return lambda split: CachedSignals(cache, split, accelerator.device, layers=layers)
    moved, tokens = teacher.to(accelerator.device), method.teacher_tokens
    live = LiveTeacher(moved, accelerator, _pooling(run), layers, tokens)
    return lambda _: live


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
