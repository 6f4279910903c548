"""One training from its run folder's run.json to its finished files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from alpkd_pipeline.models.encoder import save_classifier
from alpkd_pipeline.models.seen_rows import SeenRows, keep_seen_rows, whole_embedding
from alpkd_pipeline.models.size import count_parameters
from alpkd_pipeline.runs.checkpoints import BEST, copy_best, drop_beaten, publish_step
from alpkd_pipeline.runs.journal import JOURNAL, Journal, cut_journal
from alpkd_pipeline.runs.manifest import write_json
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.tasks.metrics import score
from alpkd_pipeline.tasks.predictions import predictions_frame
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.devices import Hardware, environment
from alpkd_pipeline.training.loop import fit
from alpkd_pipeline.training.predict import BatchOutput, iterate_outputs
from alpkd_pipeline.training.progress import Evaluation, FitResult
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.saving import Saver, latest
from alpkd_pipeline.training.seed import seed_everything
from alpkd_pipeline.training.selection import Selection, choose_rows
from alpkd_pipeline.training.step import Step
from alpkd_pipeline.training.vocabulary import seen_tokens

log = logging.getLogger(__name__)

METRICS = "metrics.json"

Observer = Callable[[list[BatchOutput]], dict[str, Any]]
"""Looks at the student's pooled layers on the selecting rows; adds details to the evaluation."""


class _Scorer:
    """Scores a model in training on the selecting rows, and writes it down when it is the best."""

    def __init__(
        self,
        run: RunConfig,
        chosen: Selection,
        split: EncodedSplit,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        accelerator: Accelerator,
        observer: Observer | None,
        seen: SeenRows | None,
    ) -> None:
        self._run, self._chosen, self._split = run, chosen, split
        self._model, self._tokenizer, self._accelerator = model, tokenizer, accelerator
        self._observer, self._seen = observer, seen
        self._logits = np.empty((len(split), run.task.num_labels), dtype=np.float32)

    def evaluate(self) -> Evaluation:
        """The scores of the model as it is now."""
        rows, outputs = self._chosen.rows, []
        for out in iterate_outputs(
            self._model,
            self._split,
            self._accelerator,
            batch_size=self._run.training["eval_batch_size"],
            pad_id=int(self._tokenizer.pad_token_id),
            pooling=self._run.params["method"]["pooling"],
            layers=self._observer is not None,
            only=rows,
        ):
            self._logits[out.rows] = out.logits.cpu().numpy()
            if self._observer is not None:
                outputs.append(out)
        scores = score(self._run.task, self._logits[rows], self._split.labels[rows])
        return Evaluation(scores, self._observer(outputs) if self._observer else {})

    def keep_best(self, _found: Evaluation, step: int, left: float) -> None:
        """Write the weights and the answers of the last evaluation; earlier ones stay for now."""

        def write(folder: Path) -> None:
            with whole_embedding(self._model, self._seen, left):
                save_classifier(self._model, self._tokenizer, folder)
            chosen = self._chosen
            task, split, rows = self._run.task, self._split, chosen.rows
            write_predictions(folder, task, chosen.name, split, rows, self._logits)

        publish_step(self._run.folder / BEST, step, write)
        drop_beaten(self._run.folder, step)


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
    scorer = _Scorer(run, chosen, selecting, model, tokenizer, accelerator, watch, seen)
    environ = environment(hardware)
    go_on = latest(run.folder)
    if go_on is None:
        (run.folder / JOURNAL).unlink(missing_ok=True)
    else:
        cut_journal(run.folder, int(go_on[1]["journal_bytes"]))
    with Journal(run.folder) as journal:
        if go_on is None:
            journal.write("start", name=run.name, stage=run.stage, **environ)
        else:
            log.info("%s: going on after step %d", run.name, go_on[1]["steps"])
            journal.write("resume", after_step=go_on[1]["steps"], **environ)
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
            journal=journal,
            title=run.name,
            score_name=chosen.name,
            begin_epoch=begin_epoch,
            saver=Saver.of(run.folder, asked.get("checkpoint_every", "auto"), journal),
            go_on=go_on,
        )
        copy_best(run.folder, result.best_step)
        write_json(run.folder / METRICS, training_metrics(result, chosen.name, parameters, environ))
        journal.write("end", seconds=result.seconds, steps=result.steps)
    return result


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


def write_predictions(
    to: Path, task: Task, name: str, split: EncodedSplit, rows: np.ndarray, logits: np.ndarray
) -> None:
    """Write the answers on some rows of a split to `predictions/<name>.csv`.

    Args:
        to: the folder of the model.
        task: the task.
        name: the file's name.
        split: the split.
        rows: (R,) which of its N rows.
        logits: (N, C), of the whole split.
    """
    frame = predictions_frame(task, split.idx[rows], split.labels[rows], logits[rows])
    folder = to / "predictions"
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / f"{name}.csv", index=False)
