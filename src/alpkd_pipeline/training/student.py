"""The student's training: distillation, or plain fine-tuning for the baseline without a teacher."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from alpkd_pipeline.distillation.buckets import AttentionStats
from alpkd_pipeline.distillation.cache import CachedSignals, write_signals
from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.registry import build_method
from alpkd_pipeline.distillation.signals import Signal, SignalSource
from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.models import encoder
from alpkd_pipeline.models.shape import shape_of
from alpkd_pipeline.models.student import build_student, check_swappable, encoder_blocks, swapped
from alpkd_pipeline.models.tokenizer_identity import check_same_tokenizer
from alpkd_pipeline.store.event_log import MEMORY
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.tasks.teacher_table import logits_file, read_logits
from alpkd_pipeline.training.batching import Selection, choose_rows
from alpkd_pipeline.training.devices import Accelerator, LoadedModel, environment, training_hardware
from alpkd_pipeline.training.distill import Learner, LiveTeacher, distill_step
from alpkd_pipeline.training.memory import MicrobatchSize
from alpkd_pipeline.training.predict import BatchOutput, iterate_outputs
from alpkd_pipeline.training.preflight import check_fits, check_saves
from alpkd_pipeline.training.run import Observer, train_and_write
from alpkd_pipeline.training.run_config import RunConfig

log = logging.getLogger(__name__)

SIGNALS = "signals.json"


def record_signals(run: RunConfig, folder: Path) -> None:
    """Write the teacher's logits and pooled layers for train and the first dev split.

    `inputs.teacher` and `inputs.encoded` of a signals or student run are read. A table has logits
    alone, which lie with the encoded rows.
    """
    started, splits = time.perf_counter(), ("train", run.task.dev_splits[0])
    limit = MicrobatchSize(run.teacher.training.eval_batch_size, "evaluation")
    with training_hardware(run.teacher.training) as accelerator:
        rows, encoded = 0, run.inputs["encoded"]
        if run.teacher.is_table:
            folder.mkdir(parents=True, exist_ok=True)
            for name in splits:
                logits = read_logits(encoded, name)
                np.save(folder / logits_file(name), logits)
                rows += len(logits)
        else:
            source = run.inputs["teacher"]
            model = encoder.load_finetuned(source).to(accelerator.device)
            teacher = LoadedModel(source, model, encoder.load_tokenizer(source), accelerator)
            for name in splits:
                split = read_encoded(encoded, name)
                outputs = iterate_outputs(teacher, split, limit, pooling=run.pooling, layers=True)
                write_signals(folder, name, len(split), outputs, run.signals.dtype)
                rows += len(split)
    seconds = round(time.perf_counter() - started, 3)
    said = {"rows": rows, "seconds": seconds, "environment": environment(accelerator.hardware)}
    write_json(folder / SIGNALS, said | ({MEMORY: limit.noted} if limit.noted else {}))
    log.info("teacher signals: %d rows in %.1f s", rows, seconds)


def attention_observer(
    method: Method, source: SignalSource, split: EncodedSplit, student: LoadedModel
) -> Observer:
    """An observer of a method with attention; `source` has the teacher's signals for `split`."""

    def look(outputs: list[BatchOutput]) -> dict[str, Any]:
        stats = AttentionStats(method.buckets, method.setup.sizes.teacher_layers)
        for out in outputs:
            batch = student.batch(split, out.rows)
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
        teacher = encoder.load_finetuned(run.inputs["teacher"])
        model = _build(run, teacher).to(accelerator.device)
        method = _method(run, teacher, model)
        chosen = choose_rows(run, unlabelled=method.setup.spec.terms != {"hard"})
        if chosen.left_out or chosen.without_label:
            does = "leaves them out" if chosen.left_out else "gives them no hard term"
            count = plural(chosen.left_out or chosen.without_label, "train row")
            log.info("%s without a label: %s %s", count, method.setup.spec.name, does)
        kind = run.training.class_weights
        method.class_weights = chosen.class_weights(kind, run.task.num_labels)
        method = method.to(accelerator.device)
        own, tokenizer = run.inputs.get("checkpoint"), encoder.load_tokenizer(run.inputs["teacher"])
        folder = own or run.inputs.get("model") or run.inputs["teacher"]
        student = LoadedModel(folder, model, tokenizer, accelerator)
        check_fits(student, run.inputs["encoded"])
        if own is not None:  # Other students are saved as their teacher was.
            check_saves(student, run.folder)
        source = partial(_source, run, teacher, method, accelerator)
        _check_rest(method, len(chosen.train_rows), run.training.batch_size)
        if "layers" in method.needs:
            _prepare(run, method, source("train"), chosen, student)
        signals, inside = source("train") if method.needs else None, _inside(method, model, teacher)
        learner = Learner(
            student,
            distill_step(student, method, signals, run.pooling, inside),
            learned=method.learned,
            rates=method.rates,
            whole_batches=method.setup.spec.fewest_rows > 1,
            term_weights=method.setup.settings.term_weights,
            begin_epoch=method.begin_epoch,
            begin_step=method.begin_step,
        )
        observer = None
        if method.setup.spec.attention:
            observer = attention_observer(method, source(chosen.split), chosen.validation, student)
        train_and_write(run, learner, chosen, observer)


def _prepare(
    run: RunConfig, method: Method, source: SignalSource, chosen: Selection, student: LoadedModel
) -> None:
    def read(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        batch = student.batch(chosen.train, rows.numpy())
        layers = source.signals(batch.rows, batch.inputs).layers
        assert layers is not None
        return layers, batch.labels

    method.prepare(read, torch.from_numpy(chosen.labelled_rows), run.teacher.seed)


def _source(
    run: RunConfig, teacher: PreTrainedModel, method: Method, accelerator: Accelerator, split: str
) -> SignalSource:
    """The teacher's signals for a split: from the cache, or live if run or method say so."""
    cache, layers = run.inputs.get("signals"), "layers" in method.needs
    if cache is not None and not method.setup.spec.live:
        return CachedSignals(cache, split, accelerator.device, layers=layers)
    moved, tokens = teacher.to(accelerator.device), method.teacher_tokens
    return LiveTeacher(moved, accelerator, run.pooling, layers, tokens)


def _inside(
    method: Method, student: PreTrainedModel, teacher: PreTrainedModel
) -> Callable[[], AbstractContextManager[None]]:
    if not method.setup.spec.swaps_blocks:
        return nullcontext
    check_swappable(student, teacher)
    blocks = encoder_blocks(teacher).to(student.device).train(False).requires_grad_(False)
    return lambda: swapped(student, blocks, method.own_blocks)


def _build(run: RunConfig, teacher: PreTrainedModel) -> PreTrainedModel:
    asked = run.student
    start, checkpoint = teacher, None
    if asked.init_from == "pretrained":
        start = encoder.load_classifier(run.inputs["model"], run.task, run.seed)
    if asked.init == "checkpoint":
        check_same_tokenizer(run.inputs["teacher"], run.inputs["checkpoint"])
        checkpoint = encoder.load_classifier(run.inputs["checkpoint"], run.task, run.seed)
    student = build_student(start, asked, run.seed, checkpoint)
    # Label names travel with the model, wherever its layers come from.
    encoder.name_outputs(student.config, run.task)
    return student


def _method(run: RunConfig, teacher: PreTrainedModel, student: PreTrainedModel) -> Method:
    source, cut = (shape_of(model.config.to_dict()) for model in (teacher, student))
    return build_method(
        teacher_layers=source.layers,
        student_layers=cut.layers,
        teacher_width=source.width,
        student_width=cut.width,
        teacher_heads=source.heads,
        student_heads=cut.heads,
        task=run.task.kind,
        classes=run.task.num_labels,
        seed=run.seed,
        **run.method,
    )


def _check_rest(method: Method, rows: int, batch_size: int) -> None:
    """Refuse too few rows for a method that compares them; say where an epoch's rest is too few."""
    name, fewest = method.setup.spec.name, method.setup.spec.fewest_rows
    if rows < fewest:
        raise UserError(
            f"method {name!r} compares the rows of a batch with one another and needs at least"
            f" {fewest}, but there are {rows} to train on: take more rows, or another method"
        )
    if 0 < rows % batch_size < fewest:
        log.warning(
            f"{name} needs {fewest} rows to compare: for the {rows % batch_size} that are left at"
            " the end of an epoch its intermediate term is left out"
        )
