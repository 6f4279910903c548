"""One training from its run folder's run.json to its finished files."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from alpkd_pipeline.models.seen_rows import keep_seen_rows, seen_tokens
from alpkd_pipeline.models.student import count_parameters
from alpkd_pipeline.store.checkpoints import copy_best
from alpkd_pipeline.store.journal import JOURNAL, MEMORY, Journal, cut_journal, read_journal
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.training.batching import Selection, choose_rows
from alpkd_pipeline.training.checkpoint import Saver, latest
from alpkd_pipeline.training.devices import (
    RESUME,
    Accelerator,
    Hardware,
    differences,
    environment,
    last_environment,
    resumed_on,
    say_differences,
)
from alpkd_pipeline.training.distill import Step
from alpkd_pipeline.training.loop import fit
from alpkd_pipeline.training.memory import journalled_limit
from alpkd_pipeline.training.progress import FitResult
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.scorer import Observer, Scorer


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (every device), and ask torch for deterministic kernels."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    # cuBLAS reads this at its first call; without it deterministic mode raises on CUDA.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Deterministic mode also writes NaN into all new memory, to show reads of what was never
    # written; nothing here reads such memory, and the writing costs a few per cent of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


log = logging.getLogger(__name__)

METRICS = "metrics.json"


def train_and_write(
    run: RunConfig,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    step: Step,
    learned: list[nn.Parameter],
    term_weights: dict[str, float],
    accelerator: Accelerator,
    hardware: Hardware,
    observer: Callable[[Selection], Observer] | None = None,
    begin_epoch: Callable[[int], None] | None = None,
) -> FitResult:
    """Train a model and write all of its run folder but the manifest.

    Args:
        run: the run.
        model: the model in training, on the accelerator's device.
        tokenizer: saved beside the model.
        step: turns a batch into its losses.
        learned: parameters that belong to the method; trained, but not saved with the model.
        term_weights: weight of each loss term, for the journal.
        accelerator: device and precision.
        hardware: what `auto` became, for the record.
        observer: made once for the selecting rows; sees the layers at each evaluation.
        begin_epoch: called with the number of each epoch, from 0, before its first step.
    """
    train = read_encoded(run.inputs["encoded"], "train")
    dev = read_encoded(run.inputs["encoded"], run.task.dev_splits[0])
    asked = run.training
    chosen = choose_rows(
        train, dev, run.task, asked["selection"], asked["holdout_fraction"], run.seed
    )
    selecting = train if chosen.split == "train" else dev
    watch = observer(chosen) if observer else None
    if asked.get("freeze_embeddings", False):
        model.base_model.embeddings.requires_grad_(False)
    parameters = count_parameters(model)
    seen = keep_seen_rows(model, seen_tokens((train, selecting), int(tokenizer.pad_token_id)))
    environ = environment(hardware) | {"attention": str(model.config._attn_implementation)}
    go_on = latest(run.folder)
    if go_on is None:
        (run.folder / JOURNAL).unlink(missing_ok=True)
    else:
        cut_journal(run.folder, int(go_on[1]["journal_bytes"]))
    with Journal(run.folder) as journal:
        before = read_journal(run.folder)[0]
        _write_begin(journal, run, environ, before, go_on and int(go_on[1]["steps"]))
        limit = journalled_limit(asked["batch_size"], "training", journal, before)
        wider = journalled_limit(asked["eval_batch_size"], "evaluation", journal, before)
        scorer = Scorer(run, chosen, selecting, model, tokenizer, accelerator, watch, seen, wider)
        # The weights are in place: from here on randomness belongs to the training alone.
        seed_everything(run.seed)
        result = fit(
            model=model,
            parameters=[*model.parameters(), *learned],
            step=step,
            train=train,
            rows=chosen.train_rows,
            pad_id=int(tokenizer.pad_token_id),
            evaluate=scorer.evaluate,
            keep_best=scorer.keep_best,
            settings=run.fit_settings,
            term_weights=term_weights,
            seed=run.seed,
            accelerator=accelerator,
            limit=limit,
            journal=journal,
            title=run.name,
            score_name=chosen.name,
            begin_epoch=begin_epoch,
            saver=Saver.of(run.folder, asked.get("checkpoint_every", "auto"), journal),
            go_on=go_on,
        )
        copy_best(run.folder, result.best_step)
        metrics = training_metrics(result, chosen.name, parameters, environ)
        write_json(run.folder / METRICS, metrics | deviations(read_journal(run.folder)[0]))
        journal.write("end", seconds=result.seconds, steps=result.steps)
    return result


def _write_begin(
    journal: Journal,
    run: RunConfig,
    environ: dict[str, Any],
    before: list[dict[str, Any]],
    after_step: int | None,
) -> None:
    """The first line of a training, or of what goes on of it after the lines `before`."""
    if after_step is None:
        journal.write("start", name=run.name, stage=run.stage, **environ)
        return
    log.info("%s: going on after step %d", run.name, after_step)
    differs = differences(last_environment(before), environ)
    say_differences(run.name, after_step, differs)
    journal.write(RESUME, after_step=after_step, differs=differs, **environ)


def deviations(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What metrics.json says where a training was not what an undisturbed one would have been.

    Args:
        events: the journal.

    Returns:
        `memory`, where it was too short for whole batches, and `resumed_on`, where it went on
        elsewhere; neither in most cases.
    """
    short = [
        {name: value for name, value in event.items() if name not in {"event", "time"}}
        for event in events
        if event["event"] == MEMORY
    ]
    return {
        name: found
        for name, found in ((MEMORY, short), ("resumed_on", resumed_on(events)))
        if found
    }


def training_metrics(
    result: FitResult, selection: str, parameters: dict[str, int], environ: dict[str, Any]
) -> dict[str, Any]:
    """What metrics.json says of a training."""
    facts = asdict(result)
    best = facts.pop("best")
    trained = result.seconds - result.evaluation_seconds
    return {
        **facts,
        "selection": selection,
        "scores": {selection: best["scores"]},
        **best["details"],
        "examples_per_second": round(result.examples / max(1e-9, trained), 1),
        "parameters": parameters,
        "environment": environ,
    }
