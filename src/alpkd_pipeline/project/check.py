"""From merged configuration to the complete parameters of an experiment, checked."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from itertools import chain
from typing import Any

from pydantic import ValidationError

from alpkd_pipeline.distillation.method_spec import KnownSizes, check_batches, check_sizes
from alpkd_pipeline.distillation.method_table import get_spec, resolve_method
from alpkd_pipeline.errors import UserError, did_you_mean, first_problem, quoted
from alpkd_pipeline.models.shape import check_plain_scores
from alpkd_pipeline.models.source import kind_of, locate
from alpkd_pipeline.models.tokenizer_identity import check_same_tokenizer
from alpkd_pipeline.project import presets
from alpkd_pipeline.project.experiment_inputs import ExperimentInputs
from alpkd_pipeline.project.parameters import merged
from alpkd_pipeline.project.params import CompareParams, MethodParams, Params, validate
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import METRICS
from alpkd_pipeline.tasks.sources.demo import TASK as DEMO
from alpkd_pipeline.tasks.task import UNLABELLED
from alpkd_pipeline.tasks.teacher_table import teacher_names

METHODS = "methods"
"""The parameter that holds the methods' presets for an environment."""


def check(raw: dict[str, Any]) -> Params:
    """Check merged parameters and fill in what the chosen method leaves open.

    The key `methods` holds each method's preset for the environment; an explicit value in `method`
    wins over it. The key `tuned` holds what searches found; it wins over both.
    """
    return Conf(raw).params({})


class Conf:
    """What conf/ says, its presets checked once for any number of experiments."""

    def __init__(self, raw: dict[str, Any]) -> None:
        if not isinstance(raw, Mapping):
            raise UserError(f"the parameters are {quoted(raw)}: should map names to values")
        self._values = _without_presets(raw)
        self._presets = _checked_presets(raw.get(METHODS))
        self._tuned = presets.read_presets(raw.get(presets.TUNED))

    def params(self, on_top: dict[str, Any]) -> Params:
        """The complete parameters of one experiment; `on_top` wins over `tuned` too."""
        explicit = _without_presets(on_top)
        values = self._below_tuned(explicit)
        params = validate(merged(presets.tuned(values, self._tuned), explicit))
        _check_compare(params.compare)
        return params.model_copy(update={"method": _complete(params.method)})

    def _below_tuned(self, explicit: Mapping[str, Any]) -> dict[str, Any]:
        values = merged(self._values, explicit)
        method = values.get("method")
        if isinstance(method, dict):
            name = method.get("name")
            preset = self._presets.get(name, {}) if isinstance(name, str) else {}
            values["method"] = {**preset, **method}
        return values

    def preset_of(self, on_top: dict[str, Any]) -> presets.PresetInUse | None:
        """What tuned presets set of an experiment, with the arguments and errors of `params`."""
        explicit = _without_presets(on_top)
        found = presets.matching(self._below_tuned(explicit), self._tuned)
        if not found:
            return None
        return presets.preset_in_use(found, explicit, self.params(on_top).plain())

    def without_tuned(self, where: Mapping[str, Any]) -> Conf:
        """The same without what an earlier search found for exactly these experiments."""
        other = copy(self)
        other._tuned = tuple(preset for preset in self._tuned if dict(preset.where) != where)
        return other


def _without_presets(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in (METHODS, presets.TUNED)}


def _checked_presets(raw: Any) -> dict[Any, dict[str, Any]]:
    """Every method's preset; all are checked, also those that this experiment does not use."""
    if not isinstance(raw, dict | None):
        raise UserError(f"parameter 'methods' = {quoted(raw)}: should map method names to presets")
    found = {name: preset or {} for name, preset in (raw or {}).items()}
    for name, preset in found.items():
        get_spec(str(name))
        if not isinstance(preset, dict):
            wanted = "should map names to values"
            raise UserError(f"parameter 'methods.{name}' = {quoted(preset)}: {wanted}")
        try:
            _complete(MethodParams.model_validate({"name": name, **preset}))
        except (UserError, ValidationError) as error:
            told = str(error) if isinstance(error, UserError) else first_problem(error, preset)
            raise UserError(f"parameter 'methods.{name}': {told}") from None
    return found


def _check_compare(compare: CompareParams) -> None:
    """Refuse a metric or a method that nobody knows: its margin or question would count nowhere."""
    for name in compare.margin:
        if name not in METRICS:
            raise UserError(
                f"parameter 'compare.margin.{name}': no such metric{did_you_mean(name, METRICS)};"
                f" there are {', '.join(METRICS)}"
            )
    for name in chain.from_iterable(compare.primary):
        try:
            get_spec(name)
        except UserError as error:
            raise UserError(f"parameter 'compare.primary': {error}") from None


def _complete(method: MethodParams) -> MethodParams:
    """The method with every default filled in, and without what has no effect on it."""
    options = {"projection": method.projection, **method.options}
    if method.soft_scale is not None:
        options["soft_scale"] = method.soft_scale
    weights = {"beta": method.beta, "eta": method.eta, "lambda": method.lambda_}
    settings = resolve_method(method.name, weights, method.temperature, options)
    given = "pooling" in method.model_fields_set
    pooling = method.pooling if given else get_spec(method.name).pooling
    return MethodParams.model_validate({"pooling": pooling, **settings.to_dict()})


def check_experiment(experiment: ExperimentInputs) -> None:
    """Refuse an experiment that cannot work; each check says what to change."""
    _check_source(experiment)
    _check_rows(experiment)
    _check_table(experiment)
    _check_encoders(experiment)
    _check_sizes(experiment)
    _check_start(experiment)


def _check_source(experiment: ExperimentInputs) -> None:
    given = experiment.params.task
    demo_task = experiment.task.name == DEMO.name
    if demo_task != (given.source == "demo"):
        raise UserError(
            f"parameter 'task.name' = '{given.name}' does not come from"
            f" task.source='{given.source}': the source demo has the task demo and nothing else;"
            " for GLUE add --env=minilm or --env=paper, or set task.source=folder or hub"
        )
    if experiment.kind_of_model == "demo" and not demo_task:
        raise UserError(
            f"parameter 'teacher.model' = 'demo' knows only the demo's made-up words and cannot"
            f" read task '{given.name}': add --env=minilm or --env=paper, or set teacher.model"
        )
    if given.source == "hub" and not (experiment.source.dataset and experiment.source.revision):
        raise UserError(
            "task.source=hub needs task.dataset and task.revision, a 40-digit commit of that data"
            " set, so that a rerun reads the same rows (GLUE tasks know theirs)"
        )


def _check_rows(experiment: ExperimentInputs) -> None:
    """What is read of some sources, or means something for some tasks, only."""
    params, given = experiment.params, experiment.params.task
    own = given.source == "table"
    if UNLABELLED in given.files and not (
        own or (given.source == "hub" and given.name not in GLUE)
    ):
        raise UserError(
            "parameter 'task.files.unlabelled' is only read with files of your own and hub data"
            " sets: leave labels of train empty and set task.unlabelled=allow"
        )
    if given.group_column is not None and not own:
        raise UserError("parameter 'task.group_column' is only read with task.source=table")
    if given.unlabelled_rows and given.unlabelled == "refuse" and UNLABELLED not in given.files:
        raise UserError(
            "parameter 'task.unlabelled_rows': no row may lack a label; set task.unlabelled=allow"
            " (labels of train), or task.files.unlabelled"
        )
    blocks = {"training": params.training, "teacher.training": params.teacher.training}
    for block, training in blocks.items():
        if training.class_weights != "none" and experiment.task.kind == "regression":
            raise UserError(
                f"parameter '{block}.class_weights' = 'balanced': task '{experiment.task.name}' is"
                f" a regression and has no classes; leave it out"
            )


def _check_table(experiment: ExperimentInputs) -> None:
    """Whether the columns of a table as teacher fit the task, and the rest fits such a teacher."""
    params, given = experiment.params, experiment.params.task
    spec = get_spec(params.method.name)
    if given.teacher_columns:
        if given.source != "table":
            raise UserError("parameter 'task.teacher_columns' is only read with task.source=table")
        wanted = teacher_names(experiment.task, given.teacher_values)
        if wanted.keys() != given.teacher_columns.keys():
            raise UserError(
                "parameter 'task.teacher_columns' names columns for"
                f" {', '.join(given.teacher_columns)}; task '{experiment.task.name}' needs one for"
                f" each of {', '.join(wanted)}"
            )
    if not params.teacher.is_table:
        return
    refused = {
        "task.teacher_columns: name the column of each class": not given.teacher_columns,
        "teacher.finetuned=false": params.teacher.finetuned,
        "signals.source=cache": params.signals.source == "live",
        "student.head=fresh": params.student.head == "teacher",
    }
    for remedy in (remedy for remedy, wrong in refused.items() if wrong):
        why = "a table has answers and no weights"
        raise UserError(f"parameter 'teacher.source' = 'table': {why}; set {remedy}")
    if spec.live or not spec.needs <= {"logits"}:
        raise UserError(
            f"parameter 'teacher.source' = 'table': method '{spec.name}' looks into the teacher's"
            " layers, and a table has answers alone; use kd or no_kd"
        )


def _check_encoders(experiment: ExperimentInputs) -> None:
    """Whether teacher and checkpoint are pinned, and deep enough for the student."""
    layers = experiment.params.student.layers
    encoders = (
        ("teacher.model", "teacher.revision", experiment.model),
        ("student.checkpoint", "student.checkpoint_revision", experiment.checkpoint),
    )
    for place, revision, model in encoders:
        if model is None:
            continue
        if model.revision is None and kind_of(model, experiment.project) == "hub":
            raise UserError(
                f"parameter '{place}' = '{model.model}' is a hub id and needs '{revision}', a"
                " 40-digit commit of that repository (or give a local folder)"
            )
        shape = experiment.shape_of(model)
        if shape is not None and layers > shape.layers:
            raise UserError(
                f"parameter 'student.layers' = {layers}: {place} = '{model.model}' has"
                f" {shape.layers} layers; a student has 1 to {shape.layers}"
            )


def _check_start(experiment: ExperimentInputs) -> None:
    student = experiment.params.student
    if student.init_from == "pretrained" and experiment.params.teacher.finetuned:
        raise UserError(
            "parameter 'student.init_from' = 'pretrained': a teacher that was brought fine-tuned"
            " comes without the encoder it was made from; use student.init_from=teacher"
        )
    width, heads = experiment.student_width, experiment.student_heads
    if student.init == "random" and width and heads and width % heads:
        raise UserError(
            f"parameter 'student.hidden_size': a width of {width} cannot be shared by {heads}"
            " attention heads; set student.heads to a divisor of it"
        )
    checkpoint, local = experiment.checkpoint, experiment.kind_of_model != "hub"
    if checkpoint is not None and get_spec(experiment.params.method.name).swaps_blocks:
        raise UserError(
            f"parameter 'student.init' = 'checkpoint': method '{experiment.params.method.name}'"
            f" lets the teacher's layers read what those of the student say, so both come from one"
            f" encoder; use student.init=first, skip, last or random"
        )
    if checkpoint is not None and local and kind_of(checkpoint, experiment.project) != "hub":
        check_same_tokenizer(
            locate(experiment.model, experiment.project, download=False),
            locate(checkpoint, experiment.project, download=False),
        )


def _check_sizes(experiment: ExperimentInputs) -> None:
    teacher, width = experiment.teacher_shape, experiment.student_width
    method, training = experiment.params.method, experiment.params.training
    spec = get_spec(method.name)
    directly = spec.compares_layers and method.projection == "none"
    if directly and teacher and width not in (None, teacher.width):
        raise UserError(
            f"method '{method.name}' compares states of the student (width {width}) with states"
            f" of the teacher (width {teacher.width}): set method.projection=linear"
        )
    settings = resolve_method(spec.name, {}, None, method.options)
    sizes = KnownSizes(
        teacher_layers=teacher.layers if teacher else None,
        student_layers=experiment.params.student.layers,
        teacher_width=teacher.width if teacher else None,
        student_width=width,
        teacher_heads=teacher.heads if teacher else None,
        student_heads=experiment.student_heads,
    )
    check_sizes(spec, settings, sizes)
    check_batches(spec, training.batch_size, training.accumulation)
    if "scores" in spec.needs:
        for model_type in experiment.model_types:
            check_plain_scores(model_type)
