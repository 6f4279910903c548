"""A teacher: fine-tuned here, or brought, a model or a table; checked before it teaches."""

from __future__ import annotations

import logging

import numpy as np

from alpkd_pipeline.models import encoder, teacher_checks
from alpkd_pipeline.models.model_files import read_config, tensor_shapes
from alpkd_pipeline.models.shape import shape_of
from alpkd_pipeline.models.source import check_folder
from alpkd_pipeline.models.student import count_parameters
from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.tasks.metrics import score
from alpkd_pipeline.tasks.teacher_table import read_logits
from alpkd_pipeline.training.batching import choose_rows
from alpkd_pipeline.training.devices import LoadedModel, environment, training_hardware
from alpkd_pipeline.training.distill import Learner, finetune_step
from alpkd_pipeline.training.memory import MicrobatchSize
from alpkd_pipeline.training.predict import predict, write_predictions
from alpkd_pipeline.training.preflight import check_fits, check_saves
from alpkd_pipeline.training.run import METRICS, train_and_write
from alpkd_pipeline.training.run_config import RunConfig

log = logging.getLogger(__name__)


def bring_teacher(run: RunConfig) -> None:
    """Check the classifier in `inputs.model` and write it as this task's teacher.

    Refused is one without a head for the task, with labels in another order, with another model's
    tokenizer, or whose answers are no better than a constant.
    """
    source, task = run.inputs["model"], run.task
    check_folder(source)
    config = read_config(source)
    teacher_checks.check_head(config, tensor_shapes(source), task)
    tokenizer = encoder.load_tokenizer(source)
    teacher_checks.check_vocabulary(len(tokenizer), shape_of(config).vocab_size)
    named, as_is = teacher_checks.label_order(config, task), tuple(range(task.num_labels))
    order = named or as_is
    if order != as_is:
        log.info("teacher: outputs put into the task's label order %s", ", ".join(task.label_names))
    model = encoder.load_finetuned(source)
    encoder.set_task(model, task, order)
    with training_hardware(run.training) as accelerator:
        model.to(accelerator.device)
        _check_and_write(run, LoadedModel(source, model, tokenizer, accelerator), named)


def bring_table(run: RunConfig) -> None:
    """Check what a table says on dev and write it as this task's teacher.

    The encoder in `inputs.model` lies beside it as it is, with a new head: students begin as it.
    """
    source = run.inputs["model"]
    with training_hardware(run.training) as accelerator:
        model = encoder.load_classifier(source, run.task, run.seed).to(accelerator.device)
        _check_and_write(
            run, LoadedModel(source, model, encoder.load_tokenizer(source), accelerator), None
        )


def _check_and_write(run: RunConfig, teacher: LoadedModel, named: tuple[int, ...] | None) -> None:
    encoded, split = run.inputs["encoded"], run.task.dev_splits[0]
    dev = read_encoded(encoded, split)
    check_fits(teacher, encoded)
    check_saves(teacher, run.folder)
    table = run.teacher.is_table
    if table:
        logits = read_logits(encoded, split)
    else:
        logits = predict(teacher, dev, MicrobatchSize(run.training.eval_batch_size, "evaluation"))
    teacher_checks.check_predictions(run.task, logits, dev.labels, named, table=table)
    scores = score(run.task, logits, dev.labels)
    environ = environment(teacher.accelerator.hardware)
    with EventLog(run.folder) as event_log:
        event_log.write("start", name=run.name, stage=run.stage, **environ)
        event_log.write("eval", step=0, epoch=0, scores=scores, best=True)
        event_log.write("end", seconds=0.0, steps=0)
    encoder.save_classifier(teacher.model, teacher.tokenizer, run.folder, dev.max_length)
    write_predictions(run.folder, run.task, "dev", dev, np.arange(len(dev)), logits)
    trained = {"steps": 0, "epochs": 0, "seconds": None}
    metrics = {"selection": "dev", "scores": {"dev": scores}, "environment": environ, **trained}
    if not table:
        metrics["parameters"] = count_parameters(teacher.model)
    write_json(run.folder / METRICS, metrics)


def train_teacher(run: RunConfig) -> None:
    """Fine-tune the encoder in `inputs.model` with a fresh head, and write the run folder."""
    source = run.inputs["model"]
    with training_hardware(run.training) as accelerator:
        model = encoder.load_classifier(source, run.task, run.seed).to(accelerator.device)
        teacher = LoadedModel(source, model, encoder.load_tokenizer(source), accelerator)
        check_fits(teacher, run.inputs["encoded"])
        check_saves(teacher, run.folder)
        chosen = choose_rows(run)
        weights = chosen.class_weights(run.training.class_weights, run.task.num_labels)
        weights = None if weights is None else weights.to(accelerator.device)
        step = finetune_step(teacher, run.task.kind, weights)
        train_and_write(run, Learner(teacher, step), chosen)
