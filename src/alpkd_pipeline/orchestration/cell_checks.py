"""Contradictions between parameters that no single parameter shows."""

from __future__ import annotations

from alpkd_pipeline.distillation.method_row import KnownSizes, check_sizes
from alpkd_pipeline.distillation.method_table import get_row, resolve_method
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import check_plain_scores, shape_of
from alpkd_pipeline.models.source import ModelRef, kind_of, locate, peek_config
from alpkd_pipeline.models.tokenizer_identity import check_same_tokenizer
from alpkd_pipeline.orchestration.subject import Subject
from alpkd_pipeline.tasks.sources.demo import TASK as DEMO


def check_cell(cell: Subject) -> None:
    """Refuse a cell that cannot work; each check says what to change.

    Raises:
        UserError: one line.
    """
    _check_source(cell)
    _check_checkpoint_revision(cell)
    _check_depth(cell)
    _check_widths(cell)
    _check_sizes(cell)
    _check_start(cell)


def _check_source(cell: Subject) -> None:
    given = cell.params.task
    demo_task = cell.task.name == DEMO.name
    if demo_task != (given.source == "demo"):
        raise UserError(
            f"parameter 'task.name' = '{given.name}' does not come from"
            f" task.source='{given.source}': the source demo has the task demo and nothing else;"
            " for GLUE add --env=minilm or --env=paper, or set task.source=folder or hub"
        )
    if cell.kind_of_model == "demo" and not demo_task:
        raise UserError(
            f"parameter 'teacher.model' = 'demo' knows only the demo's made-up words and cannot"
            f" read task '{given.name}': add --env=minilm or --env=paper, or set teacher.model"
        )
    if given.source == "hub" and not (cell.source.dataset and cell.source.revision):
        raise UserError(
            "task.source=hub needs task.dataset and task.revision, a 40-digit commit of that data"
            " set, so that a rerun reads the same rows (GLUE tasks know theirs)"
        )
    if cell.kind_of_model == "hub" and cell.params.teacher.revision is None:
        raise UserError(
            f"parameter 'teacher.model' = '{cell.params.teacher.model}' is a hub id and needs"
            " 'teacher.revision', a 40-digit commit of that repository (or give a local folder)"
        )


def _check_checkpoint_revision(cell: Subject) -> None:
    checkpoint = cell.checkpoint
    if checkpoint is None or checkpoint.revision is not None:
        return
    if kind_of(checkpoint, cell.project) == "hub":
        raise UserError(
            f"parameter 'student.checkpoint' = '{checkpoint.model}' is a hub id and needs"
            " 'student.checkpoint_revision', a 40-digit commit of that repository"
        )


def _check_depth(cell: Subject) -> None:
    teacher, layers = cell.teacher_shape, cell.params.student.layers
    if teacher is not None and layers > teacher.layers:
        raise UserError(
            f"parameter 'student.layers' = {layers}: the teacher {cell.params.teacher.model} has"
            f" {teacher.layers} layers; a student has 1 to {teacher.layers}"
        )


def _check_start(cell: Subject) -> None:
    student = cell.params.student
    if student.init_from == "pretrained" and cell.params.teacher.finetuned:
        raise UserError(
            "parameter 'student.init_from' = 'pretrained': a teacher that was brought fine-tuned"
            " comes without the encoder it was made from; use student.init_from=teacher"
        )
    width, heads = student.hidden_size, student.heads
    shape = cell.teacher_shape
    width = width or (shape.width if shape else None)
    heads = heads or (shape.heads if shape else None)
    if student.init == "random" and width and heads and width % heads:
        raise UserError(
            f"parameter 'student.hidden_size': a width of {width} cannot be shared by {heads}"
            " attention heads; set student.heads to a divisor of it"
        )
    if cell.checkpoint is not None:
        _check_checkpoint(cell, cell.checkpoint)


def _check_checkpoint(cell: Subject, checkpoint: ModelRef) -> None:
    config = peek_config(checkpoint, cell.project)
    layers = shape_of(config).layers if config else None
    if layers is not None and cell.params.student.layers > layers:
        raise UserError(
            f"parameter 'student.layers' = {cell.params.student.layers}: the checkpoint"
            f" {checkpoint.model} has {layers} layers"
        )
    if kind_of(checkpoint, cell.project) != "hub" and cell.kind_of_model != "hub":
        check_same_tokenizer(
            locate(cell.model, cell.project, download=False),
            locate(checkpoint, cell.project, download=False),
        )


def _check_widths(cell: Subject) -> None:
    method, teacher, width = cell.params.method, cell.teacher_shape, cell.student_width
    row = get_row(method.name)
    if teacher is None or width is None or not row.compares_layers:
        return
    if width != teacher.width and method.projection == "none":
        raise UserError(
            f"method '{method.name}' compares states of the student (width {width}) with states"
            f" of the teacher (width {teacher.width}): set method.projection=linear"
        )


def _check_sizes(cell: Subject) -> None:
    row, teacher = get_row(cell.params.method.name), cell.teacher_shape
    settings = resolve_method(row.name, {}, None, cell.params.method.options)
    sizes = KnownSizes(
        teacher_layers=teacher.layers if teacher else None,
        student_layers=cell.params.student.layers,
        teacher_width=teacher.width if teacher else None,
        student_width=cell.student_width,
        teacher_heads=teacher.heads if teacher else None,
        student_heads=cell.student_heads,
    )
    check_sizes(row, settings, sizes)
    if "scores" in row.needs:
        for model_type in cell.model_types:
            check_plain_scores(model_type)
