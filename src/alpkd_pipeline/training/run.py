"""One training from its run folder's run.json to its finished files."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alpkd_pipeline.models.encoder import save_classifier
from alpkd_pipeline.models.seen_rows import SeenRows, keep_seen_rows, seen_tokens, whole_embedding
from alpkd_pipeline.models.student import count_parameters
from alpkd_pipeline.store.checkpoints import BEST, copy_best, drop_beaten, publish_step
from alpkd_pipeline.store.event_log import (
    EVENT_LOG,
    MEMORY,
    EventLog,
    cut_event_log,
    read_event_log,
)
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.metrics import score
from alpkd_pipeline.tasks.task import UNLABELLED
from alpkd_pipeline.training.batching import Selection
from alpkd_pipeline.training.checkpoint import latest
from alpkd_pipeline.training.devices import (
    RESUME,
    LoadedModel,
    differences,
    environment,
    last_environment,
    say_differences,
)
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.loop import fit
from alpkd_pipeline.training.memory import MicrobatchSize, logged_limit
from alpkd_pipeline.training.predict import BatchOutput, iterate_outputs, write_predictions
from alpkd_pipeline.training.progress import Evaluation
from alpkd_pipeline.training.run_config import RunConfig

log = logging.getLogger(__name__)

METRICS = "metrics.json"

Observer = Callable[[list[BatchOutput]], dict[str, Any]]
"""Looks at the pooled layers of the validation rows; adds details to the evaluation."""


@dataclass(slots=True)
class Scorer:
    """The judge: scores on the validation rows; `seen` are the rows left of the embedding."""

    run: RunConfig
    chosen: Selection
    loaded: LoadedModel
    observer: Observer | None
    seen: SeenRows | None
    limit: MicrobatchSize
    _logits: np.ndarray = field(init=False)

    def evaluate(self) -> Evaluation:
        """The scores of the model as it is now."""
        task, split, rows = self.run.task, self.chosen.validation, self.chosen.rows
        wanted: dict[str, Any] = {"pooling": self.run.pooling, "layers": self.observer is not None}
        outputs = list(iterate_outputs(self.loaded, split, self.limit, only=rows, **wanted))
        self._logits = np.empty((len(split), task.num_labels), dtype=np.float32)
        for out in outputs:
            self._logits[out.rows] = out.logits.cpu().numpy()
        scores = score(task, self._logits[rows], split.labels[rows])
        return Evaluation(scores, self.observer(outputs) if self.observer else {})

    def keep_best(self, found: Evaluation, step: int, left: float) -> None:
        """Write the weights and the answers of the last evaluation; earlier ones stay for now."""

        def write(folder: Path) -> None:
            model, chosen = self.loaded.model, self.chosen
            name, split, rows = chosen.name, chosen.validation, chosen.rows
            with whole_embedding(model, self.seen, left):
                save_classifier(model, self.loaded.tokenizer, folder, split.max_length)
            write_predictions(folder, self.run.task, name, split, rows, self._logits)

        publish_step(self.run.folder / BEST, step, write)
        drop_beaten(self.run.folder, step)


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


def train_and_write(
    run: RunConfig, learner: Learner, chosen: Selection, observer: Observer | None = None
) -> None:
    """Train a model and write all of its run folder but the manifest."""
    asked, loaded, model = run.training, learner.loaded, learner.loaded.model
    if asked.freeze_embeddings:
        model.base_model.embeddings.requires_grad_(False)
    parameters = count_parameters(model)
    seen = keep_seen_rows(model, seen_tokens((chosen.train, chosen.validation), loaded.pad_id))
    environ = environment(loaded.accelerator.hardware)
    environ["attention"] = str(model.config._attn_implementation)
    go_on = latest(run.folder)
    if go_on is None:
        (run.folder / EVENT_LOG).unlink(missing_ok=True)
    else:
        cut_event_log(run.folder, int(go_on[1]["event_log_bytes"]))
    with EventLog(run.folder) as event_log:
        before = read_event_log(run.folder)[0]
        if go_on is None:
            event_log.write("start", name=run.name, stage=run.stage, **environ)
        else:
            after = int(go_on[1]["steps"])
            log.info("%s: going on after step %d", run.name, after)
            differs = differences(last_environment(before), environ)
            say_differences(run.name, after, differs)
            event_log.write(RESUME, after_step=after, differs=differs, **environ)
        limit = logged_limit(asked.eval_batch_size, "evaluation", event_log, before)
        scorer = Scorer(run, chosen, loaded, observer, seen, limit)
        # The weights are in place: from here on randomness belongs to the training alone.
        seed_everything(run.seed)
        result = fit(learner, scorer, run, chosen, event_log=event_log, go_on=go_on)
        copy_best(run.folder, result.best_step)
        facts, trained = asdict(result), result.seconds - result.evaluation_seconds
        best = facts.pop("best")
        metrics = {
            **facts,
            "selection": chosen.name,
            "scores": {chosen.name: best["scores"]},
            **best["details"],
            "examples_per_second": round(result.examples / max(1e-9, trained), 1),
            "parameters": parameters,
            "environment": environ,
        }
        if chosen.without_label or chosen.left_out:
            metrics[UNLABELLED] = {"rows": chosen.without_label, "left_out": chosen.left_out}
        write_json(run.folder / METRICS, metrics | deviations(read_event_log(run.folder)[0]))
        event_log.write("end", seconds=result.seconds, steps=result.steps)


def deviations(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What metrics.json says where a training's event log is not that of an undisturbed one.

    `memory`, where it was too short for a batch, and `resumed_on`, where it went on elsewhere.
    """
    memory = [event for event in events if event["event"] == MEMORY]
    resumed = [event for event in events if event["event"] == RESUME and event.get("differs")]
    found = {
        MEMORY: [
            {n: v for n, v in event.items() if n not in {"event", "time"}} for event in memory
        ],
        "resumed_on": [{n: event[n] for n in ("after_step", "differs")} for event in resumed],
    }
    return {name: entries for name, entries in found.items() if entries}
