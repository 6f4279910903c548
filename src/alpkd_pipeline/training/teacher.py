"""The teacher's training: plain fine-tuning of a pretrained encoder."""

from __future__ import annotations

from alpkd_pipeline.models.encoder import load_classifier, load_tokenizer
from alpkd_pipeline.training.allocator import freed_memory_kept
from alpkd_pipeline.training.devices import accelerator_for, resolve_hardware
from alpkd_pipeline.training.preflight import check_fits, check_saves
from alpkd_pipeline.training.run import train_and_write
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.step import finetune_step


def train_teacher(run: RunConfig) -> None:
    """Fine-tune the encoder in `inputs.model` with a fresh head, and write the run folder."""
    asked = run.training
    hardware = resolve_hardware(asked["device"], asked["precision"], asked["threads"])
    with accelerator_for(hardware) as accelerator, freed_memory_kept():
        source = run.inputs["model"]
        model = load_classifier(source, run.task, run.seed).to(accelerator.device)
        tokenizer = load_tokenizer(source)
        check_fits(model, tokenizer, run.inputs["encoded"], source, accelerator)
        check_saves(model, tokenizer, source, run.folder)
        train_and_write(
            run,
            model=model,
            tokenizer=tokenizer,
            step=finetune_step(model, accelerator, run.task.kind),
            learned=[],
            term_weights={},
            accelerator=accelerator,
            hardware=hardware,
        )
