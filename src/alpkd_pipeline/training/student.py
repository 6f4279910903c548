"""The student's training: distillation, or plain fine-tuning for the baseline without a teacher."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from alpkd_pipeline.distillation.cache import CachedSignals
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
from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.training.allocator import freed_memory_kept
from alpkd_pipeline.training.attention import attention_observer
from alpkd_pipeline.training.batching import collate
from alpkd_pipeline.training.devices import Accelerator, accelerator_for, resolve_hardware
from alpkd_pipeline.training.distill import LiveTeacher, distill_step
from alpkd_pipeline.training.predict import BatchOutput
from alpkd_pipeline.training.preflight import check_fits, check_saves
from alpkd_pipeline.training.run import train_and_write
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.scorer import Observer
from alpkd_pipeline.training.selection import Selection
from alpkd_pipeline.training.signals import record_signals


def train_student(run: RunConfig) -> None:
    """Distil the teacher in `inputs.teacher` into a student, and write the run folder."""
    if "signals" in run.inputs and not run.inputs["signals"].is_dir():
        record_signals(run, run.inputs["signals"])
    asked = run.training
    hardware = resolve_hardware(asked["device"], asked["precision"], asked["threads"])
    with accelerator_for(hardware) as accelerator, freed_memory_kept():
        teacher = load_finetuned(run.inputs["teacher"])
        student = _build(run, teacher).to(accelerator.device)
        method = _method(run, shape_of(teacher.config.to_dict()), student).to(accelerator.device)
        tokenizer = load_tokenizer(run.inputs["teacher"])
        own = run.inputs.get("checkpoint")
        source = own or run.inputs.get("model") or run.inputs["teacher"]
        check_fits(student, tokenizer, run.inputs["encoded"], source, accelerator)
        if own is not None:  # Other students are saved as their teacher was.
            check_saves(student, tokenizer, own, run.folder)
        signals = _Teacher(run, teacher, method, accelerator, tokenizer)
        train_and_write(
            run,
            model=student,
            tokenizer=tokenizer,
            step=distill_step(
                student, method, signals.for_split("train"), accelerator, _pooling(run)
            ),
            learned=list(method.learned),
            term_weights=_term_weights(method),
            accelerator=accelerator,
            hardware=hardware,
            observer=signals.observer if method.setup.row.attention else None,
            begin_epoch=method.begin_epoch,
        )


class _Teacher:
    """The teacher's signals for any split: from the cache, or live if run or method say so."""

    def __init__(
        self,
        run: RunConfig,
        teacher: PreTrainedModel,
        method: Method,
        accelerator: Accelerator,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        self._encoded: Path = run.inputs["encoded"]
        row = method.setup.row
        self._cache = None if row.live else run.inputs.get("signals")
        self._method = method
        self._accelerator = accelerator
        self._pad_id = int(tokenizer.pad_token_id)
        self._live: LiveTeacher | None = None
        if method.needs and self._cache is None:
            moved = teacher.to(accelerator.device)
            layers = "layers" in method.needs
            self._live = LiveTeacher(
                moved, accelerator, _pooling(run), layers, method.teacher_tokens
            )

    def for_split(self, name: str) -> SignalSource | None:
        """Where the signals for one split's batches come from; None for a method without."""
        if not self._method.needs or self._cache is None:
            return self._live
        layers = "layers" in self._method.needs
        return CachedSignals(self._cache, name, self._accelerator.device, layers=layers)

    def observer(self, chosen: Selection) -> Observer:
        """Watches the attention on the selecting rows."""
        split = read_encoded(self._encoded, chosen.split)
        source = self.for_split(chosen.split)
        assert source is not None

        def read(out: BatchOutput) -> Signal:
            batch = collate(split, out.rows, self._pad_id).to(self._accelerator.device)
            return source.signals(batch.rows, batch.inputs)

        return attention_observer(self._method, read, split)


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
