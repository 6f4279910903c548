"""From a method's name to the loss that runs. The table itself is in `method_table`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from alpkd_pipeline.distillation.buckets import check_depths
from alpkd_pipeline.distillation.method import Method, Setup, drawn_from
from alpkd_pipeline.distillation.method_spec import (
    MethodSpec,
    OptionValue,
    Sizes,
    SoftScale,
    check_sizes,
)
from alpkd_pipeline.distillation.method_table import get_spec, resolve_method
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import TaskKind


def method_class(spec: MethodSpec) -> type[Method]:
    """The class of a method; only its own file is imported."""
    module, _, name = spec.class_path.rpartition(".")
    found: type[Method] = getattr(import_module(module), name)
    return found


def build_method(
    name: str,
    *,
    teacher_layers: int,
    student_layers: int,
    teacher_width: int,
    student_width: int,
    teacher_heads: int | None = None,
    student_heads: int | None = None,
    task: TaskKind = "classification",
    classes: int = 2,
    beta: float | None = None,
    eta: float | None = None,
    lambda_: float | None = None,
    temperature: float | None = None,
    soft_scale: SoftScale | None = None,
    seed: int = 0,
    projection: str = "none",
    **options: OptionValue,
) -> Method:
    """Build a distillation method by name.

    Args:
        name: a key of `METHODS`, for example `alp_kd`.
        teacher_layers, student_layers: n, without the embedding output, and m, at most n.
        teacher_width, student_width: D_T and D_S.
        teacher_heads, student_heads: only methods that look at attention ask for them.
        task: `classification` or `regression`.
        classes: C of a classification; only methods that map layers to outputs ask.
        beta, eta, lambda_: weights of the hard, the soft and the intermediate term; None means 0.1
            (1 without a teacher's signals), 0.7 and 0.2.
        temperature: T of the soft term; None means the method's own, 10 for most. No effect on a
            regression.
        soft_scale: its factor, `t2` (T squared) or `none` (1); None means the method's own, `t2`
            for most.
        seed: draws what the method learns and what it picks at random. PyTorch's global random
            numbers are neither read nor moved.
        projection: `linear` learns one map per student layer onto the teacher's width; needed
            where the widths differ and the method compares layers directly.
        options: the method's own options, see `METHODS[name].options`.

    Returns:
        The method, on the CPU: `method(student=..., teacher=..., labels=...)` gives `LossTerms`.

    Raises:
        UserError: an unknown method or option, a weight for a term that the method lacks, a value
            out of range, a student deeper than its teacher, widths that differ without a
            projection, or other sizes that the method cannot compare.
    """
    spec = get_spec(name)
    weights = {"beta": beta, "eta": eta, "lambda": lambda_}
    if soft_scale is not None:
        options["soft_scale"] = soft_scale
    settings = resolve_method(name, weights, temperature, {"projection": projection, **options})
    if task not in ("classification", "regression"):
        raise UserError(f"unknown task {task!r}: use classification or regression")
    check_depths(student_layers, teacher_layers)
    widths = teacher_width, student_width
    sizes = Sizes(teacher_layers, student_layers, *widths, teacher_heads, student_heads)
    check_sizes(spec, settings, sizes)
    setup = Setup(spec, settings, sizes, task, seed, 1 if task == "regression" else classes)
    make: Callable[..., Method] = method_class(spec)
    with drawn_from(seed):
        return make(setup, **settings.options)
