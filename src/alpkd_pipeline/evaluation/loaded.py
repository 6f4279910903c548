"""A finished model on this machine's device, ready to answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.devices import Accelerator, Hardware, accelerator_for, resolve_hardware
from alpkd_pipeline.training.memory import memory_faults


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in evaluation mode on its device, and what is needed to feed it."""

    folder: Path
    model: PreTrainedModel
    pad_id: int
    accelerator: Accelerator
    hardware: Hardware

    def check_split(self, split: EncodedSplit, name: str) -> None:
        """Refuse token ids that the model has no embedding for.

        Raises:
            UserError: the split was encoded with another tokenizer.
        """
        most, known = int(split.input_ids.max(initial=0)), int(self.model.config.vocab_size)
        if most >= known:
            raise UserError(
                f"split '{name}' holds the token id {most}, but {self.folder} knows {known} tokens:"
                " the split was encoded with another model's tokenizer"
            )


@contextmanager
def loaded_model(
    folder: Path, task: Task, *, device: str, precision: str, threads: int | str
) -> Iterator[LoadedModel]:
    """Load a model from its folder alone, as any user of it would.

    Args:
        folder: a fine-tuned model, teacher or student.
        task: what it is to answer.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `auto`, `fp32` or `bf16`.
        threads: `auto` or a number; in force while the model is open.

    Raises:
        UserError: the folder holds no fine-tuned model, or one with another number of outputs; or
            the device's memory is too short for what is done with it.
    """
    hardware = resolve_hardware(device, precision, threads)
    with memory_faults(), accelerator_for(hardware) as accelerator:
        model = load_finetuned(folder)
        if model.config.num_labels != task.num_labels:
            raise UserError(
                f"{folder} has {model.config.num_labels} outputs, but task '{task.name}' needs"
                f" {task.num_labels}: it was fine-tuned for another task"
            )
        pad_id = int(load_tokenizer(folder).pad_token_id)
        yield LoadedModel(folder, model.to(accelerator.device), pad_id, accelerator, hardware)
