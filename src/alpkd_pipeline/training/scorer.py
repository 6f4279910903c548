"""How a model in training is scored, and how the best one is written down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from alpkd_pipeline.models.encoder import save_classifier
from alpkd_pipeline.models.seen_rows import SeenRows, whole_embedding
from alpkd_pipeline.store.checkpoints import BEST, drop_beaten, publish_step
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.metrics import predictions_frame, score
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.batching import Selection
from alpkd_pipeline.training.devices import Accelerator
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.predict import BatchOutput, iterate_outputs
from alpkd_pipeline.training.progress import Evaluation
from alpkd_pipeline.training.run_config import RunConfig

Observer = Callable[[list[BatchOutput]], dict[str, Any]]
"""Looks at the student's pooled layers on the selecting rows; adds details to the evaluation."""


class Scorer:
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
        limit: RowLimit,
    ) -> None:
        self._run, self._chosen, self._split = run, chosen, split
        self._model, self._tokenizer, self._accelerator = model, tokenizer, accelerator
        self._observer, self._seen, self._limit = observer, seen, limit
        self._logits = np.empty((len(split), run.task.num_labels), dtype=np.float32)

    def evaluate(self) -> Evaluation:
        """The scores of the model as it is now."""
        rows, outputs = self._chosen.rows, []
        for out in iterate_outputs(
            self._model,
            self._split,
            self._accelerator,
            batch_size=self._limit.whole,
            pad_id=int(self._tokenizer.pad_token_id),
            pooling=self._run.params["method"]["pooling"],
            layers=self._observer is not None,
            only=rows,
            limit=self._limit,
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
