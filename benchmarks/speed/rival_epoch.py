"""One epoch of a rival on request, in an environment of its own; `rivals.py` starts and asks it.

    RIVALS/bin/python benchmarks/speed/rival_epoch.py CASE_FOLDER

Imports nothing of this project. The folder holds `rows.npz`, `settings.json`, `teacher/` and
`student/`. Each line of input, `{"side": "textbrewer"}`, is answered by a line of output,
`{"seconds": 20.1, "steps": 16}`; the first line of output tells the versions. Models are loaded
afresh for each epoch and their loading is not timed; nothing is evaluated, no checkpoint written.

    textbrewer          as TextBrewer's MNLI example (run_mnli_distill_T4tiny.sh) does it
    textbrewer_dynamic  the same with our batches, each padded to its own longest row
    trainer             Hugging Face's Trainer with the teacher in `compute_loss`
    trainer_bf16        the same with bf16=True
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import textbrewer
import torch
import transformers
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
TEXTBREWER_TEMPERATURE = 8
TRAINER_TEMPERATURE = 10
TRAINER_WEIGHTS = {"hard": 0.1, "soft": 0.7, "layers": 0.2}


class Case:
    """The rows, the settings and the models that all sides share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = json.loads((folder / "settings.json").read_text("utf-8"))
        with np.load(folder / "rows.npz") as rows:
            self.rows = {name: torch.from_numpy(values) for name, values in rows.items()}

    def models(self) -> tuple[Any, Any]:
        """The teacher and the student at step 0, in fp32."""
        loaded = (
            AutoModelForSequenceClassification.from_pretrained(
                self.folder / name, dtype=torch.float32, local_files_only=True
            )
            for name in ("teacher", "student")
        )
        teacher, student = loaded
        torch.manual_seed(self.settings["seed"])
        return teacher.eval().requires_grad_(False), student

    @property
    def tensors(self) -> TensorDataset:
        """Rows of (ids, mask, types, label, length), padded to the limit."""
        return TensorDataset(*(self.rows[name] for name in (*INPUTS, "labels", "lengths")))

    @property
    def batches(self) -> list[list[int]]:
        """The batches of this project's first epoch: rows of like lengths together."""
        parts = self.rows["batched_rows"].split(self.rows["batch_sizes"].tolist())
        return [part.tolist() for part in parts]


def layer_pairs(teacher: Any, student: Any) -> list[tuple[int, int]]:
    """(teacher's, student's) layers, evenly spread; layer 0 is the embeddings' output."""
    n, m = teacher.config.num_hidden_layers, student.config.num_hidden_layers
    return [(j * n // m, j) for j in range(m + 1)]


def collated(rows: list[tuple[torch.Tensor, ...]], dynamic: bool) -> dict[str, torch.Tensor]:
    """One batch of TextBrewer's, padded to the limit or to its longest row."""
    *inputs, labels, lengths = (torch.stack(column) for column in zip(*rows, strict=True))
    width = int(lengths.max()) if dynamic else inputs[0].shape[1]
    cut = (values[:, :width] for values in inputs)
    return {**dict(zip(INPUTS, cut, strict=True)), "labels": labels}


class Distiller(textbrewer.GeneralDistiller):
    """TextBrewer's own, but for its checkpoint: the other sides write none within the epoch."""

    def save_and_callback(self, *_: Any) -> None:
        """Write nothing."""


def adaptor(_batch: Any, outputs: Any) -> dict[str, Any]:
    """What TextBrewer compares, as in its example: no mask, and no loss against the labels."""
    return {"logits": (outputs.logits,), "hidden": outputs.hidden_states}


def matches(pairs: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """The example's `hidden_mse` and `hidden_smmd` for these layers."""
    found: list[dict[str, Any]] = []
    for t, s in pairs:
        found.append({"layer_T": t, "layer_S": s, "loss": "hidden_mse"})
        found.append({"layer_T": [t, t], "layer_S": [s, s], "loss": "mmd"})
    return [{**match, "feature": "hidden", "weight": 1} for match in found]


def decayed(student: Any, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The example's two groups of parameters: biases and LayerNorm are not decayed."""
    free = ("bias", "LayerNorm.weight")
    named = list(student.named_parameters())
    return [
        {
            "params": [p for name, p in named if name.endswith(free) == spared],
            "weight_decay": 0.0 if spared else settings["weight_decay"],
        }
        for spared in (False, True)
    ]


def textbrewer_epoch(case: Case, dynamic: bool) -> tuple[float, int]:
    """Seconds and steps of one epoch of TextBrewer."""
    settings = case.settings
    teacher, student = case.models()
    collate = partial(collated, dynamic=dynamic)
    if dynamic:
        loader = DataLoader(case.tensors, batch_sampler=case.batches, collate_fn=collate)
    else:
        sampler = RandomSampler(case.tensors)
        size = settings["batch_size"]
        loader = DataLoader(
            case.tensors, sampler=sampler, batch_size=size, drop_last=True, collate_fn=collate
        )
    optimiser = torch.optim.AdamW(decayed(student, settings), lr=settings["lr"])
    warmup = int(settings["warmup_ratio"] * len(loader))
    steps: list[None] = []
    optimiser.register_step_post_hook(lambda *_: steps.append(None))
    with tempfile.TemporaryDirectory() as folder:
        distiller = Distiller(
            textbrewer.TrainingConfig(log_dir=folder, output_dir=folder, device="cpu"),
            textbrewer.DistillationConfig(
                temperature=TEXTBREWER_TEMPERATURE,
                intermediate_matches=matches(layer_pairs(teacher, student)),
            ),
            teacher,
            student,
            adaptor,
            adaptor,
        )
        with distiller:
            began = time.perf_counter()
            distiller.train(
                optimiser,
                loader,
                num_epochs=settings["epochs"],
                scheduler_class=get_linear_schedule_with_warmup,
                scheduler_args={"num_warmup_steps": warmup, "num_training_steps": len(loader)},
                max_grad_norm=settings["max_grad_norm"],
                output_hidden_states=True,
            )
            seconds = time.perf_counter() - began
        distiller.tb_writer.close()
    return seconds, len(steps)


class LiveTrainer(Trainer):
    """A Trainer whose teacher runs beside the student: labels, soft targets and [CLS] states."""

    def __init__(self, *, teacher: Any, **given: Any) -> None:
        super().__init__(**given)
        self.teacher = teacher
        self.pairs = layer_pairs(teacher, given["model"])[1:]

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The weighted sum of the three."""
        asked = {name: inputs[name] for name in INPUTS}
        with torch.no_grad(), self.accelerator.autocast():
            said = self.teacher(**asked, output_hidden_states=True)
        heard = model(**inputs, output_hidden_states=True)
        soft = F.kl_div(
            F.log_softmax(heard.logits.float() / TRAINER_TEMPERATURE, dim=1),
            F.log_softmax(said.logits.float() / TRAINER_TEMPERATURE, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        layers = [
            F.mse_loss(heard.hidden_states[s][:, 0].float(), said.hidden_states[t][:, 0].float())
            for t, s in self.pairs
        ]
        weights = TRAINER_WEIGHTS
        loss = weights["hard"] * heard.loss + weights["soft"] * soft * TRAINER_TEMPERATURE**2
        loss = loss + weights["layers"] * torch.stack(layers).mean()
        return (loss, heard) if return_outputs else loss


class EpochClock(TrainerCallback):
    """The seconds from the beginning of the epoch to its end."""

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.began = time.perf_counter()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self.began


def trainer_epoch(case: Case, bf16: bool) -> tuple[float, int]:
    """Seconds and steps of one epoch of the Trainer."""
    settings = case.settings
    teacher, student = case.models()
    clock = EpochClock()
    with tempfile.TemporaryDirectory() as folder:
        asked = TrainingArguments(
            output_dir=folder,
            num_train_epochs=settings["epochs"],
            per_device_train_batch_size=settings["batch_size"],
            learning_rate=settings["lr"],
            warmup_steps=settings["warmup_ratio"],  # below 1 it is a share of the steps
            weight_decay=settings["weight_decay"],
            max_grad_norm=settings["max_grad_norm"],
            train_sampling_strategy="group_by_length",
            bf16=bf16,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            logging_steps=10,
            disable_tqdm=True,
            seed=settings["seed"],
        )
        trainer = LiveTrainer(
            teacher=teacher,
            model=student,
            args=asked,
            train_dataset=unpadded(case),
            data_collator=DataCollatorWithPadding(
                AutoTokenizer.from_pretrained(case.folder / "teacher")
            ),
            callbacks=[clock],
        )
        assert trainer.accelerator.mixed_precision == ("bf16" if bf16 else "no")
        trainer.train()
    return clock.seconds, trainer.state.global_step


def unpadded(case: Case) -> list[dict[str, Any]]:
    """One dictionary a row, without padding."""
    rows = case.rows
    found = []
    for row, length in enumerate(rows["lengths"].tolist()):
        inputs = {name: rows[name][row, :length].tolist() for name in INPUTS}
        found.append({**inputs, "labels": int(rows["labels"][row])})
    return found


SIDES = {
    "textbrewer": partial(textbrewer_epoch, dynamic=False),
    "textbrewer_dynamic": partial(textbrewer_epoch, dynamic=True),
    "trainer": partial(trainer_epoch, bf16=False),
    "trainer_bf16": partial(trainer_epoch, bf16=True),
}


def main() -> None:
    """Answer until the input ends."""
    # The libraries print what they like: only answers go where the answers are read.
    predictions = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    case = Case(Path(sys.argv[1]))
    torch.set_num_threads(case.settings["threads"])
    known = {"torch": torch, "transformers": transformers, "accelerate": accelerate}
    versions = {name: module.__version__ for name, module in known.items()}
    versions["textbrewer"] = textbrewer.__version__
    print(json.dumps({"versions": versions, "threads": torch.get_num_threads()}), file=predictions)
    for line in sys.stdin:
        gc.collect()
        seconds, steps = SIDES[json.loads(line)["side"]](case)
        print(json.dumps({"seconds": seconds, "steps": steps}), file=predictions)


if __name__ == "__main__":
    main()
