"""The typed parameters: one frozen model per top-level key of conf/*/parameters.

Configuration stops here: below the pipelines, functions take plain keyword arguments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from alpkd_pipeline.coordinates import as_list, parse_only
from alpkd_pipeline.errors import UserError, did_you_mean, first_problem

COMMIT = r"^[0-9a-f]{40}$"
SHA256 = r"^[0-9a-f]{64}$"

LONGEST_NAME = 255
"""Bytes in the name of a file or folder, in every file system of today."""

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"


def _refuse_text(value: Any) -> Any:
    # Not turned into a number silently: quotes around a number are a slip worth seeing.
    if isinstance(value, str):
        raise ValueError("should be a number, not text")
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_refuse_text), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_refuse_text)]
Share = Annotated[Number, Field(ge=0.0, lt=1.0)]


def _words(value: Any) -> Any:
    # A comma separates parameters on the command line, so a list of words is written a|b there.
    if isinstance(value, str):
        return tuple(value.split("|"))
    if isinstance(value, list) and any(not isinstance(word, str) for word in value):
        raise ValueError(
            "without quotes YAML reads 0, no or 2026-01-31 as other than text: write them in quotes"
        )
    return value


def _numbers(value: Any) -> Any:
    # Likewise a list of numbers; a single one stands for itself.
    if not isinstance(value, str):
        return as_list(value)
    try:
        return [int(n) if n.isdecimal() else float(n) for n in value.split("|")]
    except ValueError:
        raise ValueError("should be a list of numbers, on the command line as 5|10") from None


Numbers = BeforeValidator(_numbers)
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*"
_ADDRESS = re.compile(f"({_SCHEME}::)*{_SCHEME}:/")
"""Begins `s3://bucket`, `cache::s3://bucket`, `file:/x` or `host:/x`; below the project a folder
`s3:` would be made."""


def possible_path(value: str) -> str:
    """A path as it is.

    Raises:
        ValueError: it is an address, or no path that this machine could have.
    """
    if _ADDRESS.match(value):
        raise ValueError(
            "is an address, and only folders and files of a local or shared file system work:"
            " mount it, or copy it, and name the path"
        )
    if "\0" in value:
        raise ValueError("holds the character NUL, which no path may have")
    if any(len(part.encode(errors="replace")) > LONGEST_NAME for part in Path(value).parts):
        raise ValueError(f"holds a name of more than {LONGEST_NAME} bytes")
    try:
        Path(value).expanduser()
    except RuntimeError:
        raise ValueError("begins with ~ and a name that is no user's here") from None
    return value


Place = Annotated[str, AfterValidator(possible_path)]
"""A folder or a file; for a model also a package or a hub id."""
Places = Annotated[tuple[Place, ...], BeforeValidator(_words)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class TaskParams(_Block):
    """The task, where its rows come from, and how they are checked and cut."""

    name: str = Field(pattern=NAME)
    source: Literal["demo", "hub", "folder", "table"]
    dataset: str | None = None
    config: str | None = None
    revision: str | None = Field(default=None, pattern=COMMIT)
    path: Place | None = None
    files: dict[str, Place] = {}
    columns: dict[str, str] = {}
    text_columns: Annotated[Words, Field(min_length=1, max_length=2)] | None = None
    labels: Words | None = None
    kind: Literal["classification", "regression"] | None = None
    label_range: Annotated[tuple[Number, Number], Numbers] | None = None
    metrics: Annotated[Places, Field(min_length=1)] | None = None
    max_length: Annotated[Whole, Field(ge=4, le=8192)]
    train_rows: Annotated[Whole, Field(ge=1)] | None = None
    train_rows_by: Literal["first", "stratified"] = "first"
    dev_fraction: Annotated[Share, Field(gt=0)] = 0.1
    max_overlap: Share = 0.02
    unlabelled: Literal["refuse", "allow"] = "refuse"
    unlabelled_rows: Annotated[Whole, Field(ge=0)] | None = None
    group_column: str | None = Field(default=None, min_length=1)
    teacher_columns: dict[str, str] = {}
    teacher_values: Literal["probabilities", "logits"] = "probabilities"


class TrainingParams(_Block):
    """How one model is trained; the teacher and the student each have such a block."""

    epochs: Annotated[Whole, Field(ge=1)]
    batch_size: Annotated[Whole, Field(ge=1)]
    accumulation: Annotated[Whole, Field(ge=1)] = 1
    lr: Annotated[Number, Field(gt=0)]
    warmup_ratio: Share
    weight_decay: Annotated[Number, Field(ge=0)]
    max_grad_norm: Annotated[Number, Field(gt=0)]
    eval_batch_size: Annotated[Whole, Field(ge=1)] = 64
    eval_every: Annotated[Whole, Field(ge=1)] | Literal["epoch"] = "epoch"
    selection: Literal["dev", "holdout"]
    holdout_fraction: Annotated[Share, Field(gt=0)] = 0.1
    patience: Annotated[Whole, Field(ge=1)] | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    threads: Annotated[Whole, Field(ge=1)] | Literal["auto"] = "auto"
    freeze_embeddings: bool = False
    group_by_length: bool = True
    class_weights: Literal["none", "balanced"] = "none"
    log_every: Annotated[Whole, Field(ge=1)] = 10
    checkpoint_every: Annotated[Whole, Field(ge=1)] | Literal["auto", "never"] = "auto"


class TeacherParams(_Block):
    """The encoder that teaches: fine-tuned here, or brought already fine-tuned.

    With a table as teacher it is the encoder that students begin as.
    """

    source: Literal["model", "table"] = "model"
    model: Annotated[Place, Field(min_length=1)]
    revision: str | None = Field(default=None, pattern=COMMIT)
    sha256: str | None = Field(default=None, pattern=SHA256)
    finetuned: bool = False
    allow_constant: bool = False
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    training: TrainingParams


class StudentParams(_Block):
    """The student's depth and its weights at step 0."""

    layers: Annotated[Whole, Field(ge=1)]
    init: Literal["first", "skip", "last", "random", "checkpoint"] = "first"
    init_from: Literal["teacher", "pretrained"] = "teacher"
    head: Literal["teacher", "fresh"] = "teacher"
    hidden_size: Annotated[Whole, Field(ge=1)] | None = None
    heads: Annotated[Whole, Field(ge=1)] | None = None
    intermediate_size: Annotated[Whole, Field(ge=1)] | None = None
    checkpoint: Place | None = None
    checkpoint_revision: str | None = Field(default=None, pattern=COMMIT)


class MethodParams(BaseModel):
    """The distillation method, its weights and its own options (method_table.py lists them)."""

    model_config = ConfigDict(extra="allow", frozen=True, validate_by_name=True)

    name: str
    beta: Annotated[Number, Field(ge=0)] | None = None
    eta: Annotated[Number, Field(ge=0)] | None = None
    lambda_: Annotated[Number, Field(ge=0)] | None = Field(default=None, alias="lambda")
    temperature: Annotated[Number, Field(gt=0)] | None = None
    soft_scale: Literal["t2", "none"] | None = None
    pooling: Literal["cls", "mean"] = "cls"
    projection: Literal["none", "linear"] = "none"

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options, as given."""
        return dict(self.model_extra or {})


class SignalParams(_Block):
    """What is kept of the teacher for its students."""

    source: Literal["cache", "live"] = "cache"
    dtype: Literal["fp16", "fp32"] = "fp32"


class RunParams(_Block):
    """Where results and tracking go; nothing here changes a result."""

    store: Annotated[Place, Field(min_length=1)] = "data"
    # YAML 1.1 reads the word off as false.
    tracking: Annotated[str, BeforeValidator(lambda v: "off" if v is False else v)] = "sqlite"
    experiment: str = Field(default="alpkd", min_length=1)
    group: str | None = Field(default=None, min_length=1, max_length=128)
    """The sweep or search that asks for the run: the parent of its run in MLflow."""
    kind: Literal["cell", "trial", "rerun"] = "cell"
    """Trials of a search and reruns are stored like cells, but enter no comparison."""


def _questions(value: Any) -> Any:
    # On the command line `a|b`, as everywhere where a comma separates parameters; then `;`.
    rows = value.split(";") if isinstance(value, str) else value
    if not isinstance(rows, list | tuple):
        return value
    pairs = [row.split("|") if isinstance(row, str) else row for row in rows]
    asked: list[set[str]] = []
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(
                "each question is a pair of methods: [[alp_kd, kd]], on the command line alp_kd|kd"
            )
        methods = set(map(str, pair))
        if len(methods) == 1:
            raise ValueError(f"{pair[0]} is held against itself: a question needs two methods")
        if methods in asked:
            raise ValueError(f"{' and '.join(map(str, pair))} are compared twice: ask it once")
        asked.append(methods)
    return pairs


def _chosen(text: str) -> str:
    try:
        parse_only(text)
    except UserError as error:
        raise ValueError(str(error).removeprefix("--only")) from None
    return text


def _rising(looks: tuple[int, ...]) -> tuple[int, ...]:
    if list(looks) != sorted(set(looks)):
        raise ValueError("should be numbers of seeds, each larger than the one before, as [5, 10]")
    return looks


class CompareParams(_Block):
    """What the pipeline `compare` looks at; no other key depends on it."""

    sweep: str | None = Field(default=None, min_length=1)
    only: Annotated[str, AfterValidator(_chosen)] | None = None
    primary: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_questions)] = ()
    """The first questions: each a method and the one that it is held against."""
    margin: dict[str, Annotated[Number, Field(gt=0)]] = {}
    """By metric, in points (errors: in their own unit); metrics that are left out keep theirs."""
    looks: Annotated[
        tuple[Annotated[Whole, Field(ge=3)], ...], Numbers, AfterValidator(_rising)
    ] = ()
    """The numbers of seeds at which the experiment was planned to be looked at."""
    claims: Place | None = None
    """A claim of `kedro claim`, or a folder with several, whose runs count too."""


class Bounds(_Block):
    """How far a form may be from torch; what is null is not asked."""

    logits: Annotated[Number, Field(gt=0)] | None = None
    loss: Annotated[Number, Field(ge=0)] | None = None


class ClassBounds(Bounds):
    """Of a classification."""

    changed: Annotated[Number, Field(ge=0, le=100)] | None = None


class NumberBounds(Bounds):
    """Of a regression."""

    largest: Annotated[Number, Field(gt=0)] | None = None
    mean: Annotated[Number, Field(gt=0)] | None = None
    pearson: Annotated[Number, Field(gt=0, le=1)] | None = None


class FormBounds(_Block):
    """What the gate allows to one form, by the kind of task."""

    classification: ClassBounds
    regression: NumberBounds


class GateParams(_Block):
    """What the gate allows to each form."""

    fp32: FormBounds = FormBounds(
        classification=ClassBounds(logits=1e-4, changed=0),
        regression=NumberBounds(logits=1e-4),
    )
    int8: FormBounds = FormBounds(
        classification=ClassBounds(changed=2, loss=1),
        regression=NumberBounds(largest=0.5, mean=0.1, pearson=0.99, loss=1),
    )


class ExportParams(_Block):
    """How a finished model is published; no key of another result depends on it."""

    opset: Annotated[Whole, Field(ge=18, le=25)] = 20
    calibrate: Literal["temperature", "none"] = "temperature"
    serve: Literal["int8", "fp32"] = "int8"
    gate: GateParams = GateParams()
    require_bound: bool = False
    """Whether a form is published only if its 95 % limits are within the bounds too."""
    threads: Annotated[Whole, Field(ge=1)] = 1
    repeats: Annotated[Whole, Field(ge=1)] = 1000
    """Rows that are timed one by one; a 95th percentile of fewer than 1,000 is a guess."""
    batches: Annotated[Whole, Field(ge=1)] = 20
    price_per_hour: Annotated[Number, Field(ge=0)] | None = None
    """Of this machine, in any currency: what a million rows cost."""
    register_: str | None = Field(default=None, pattern=r"^[^/:'\"]{1,200}$", alias="register")
    """The name in MLflow's registry under which a version is registered."""


class Params(_Block):
    """Everything that defines one cell."""

    task: TaskParams
    teacher: TeacherParams
    student: StudentParams
    method: MethodParams
    training: TrainingParams
    signals: SignalParams = SignalParams()
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = 0
    run: RunParams = RunParams()
    compare: CompareParams = CompareParams()
    export: ExportParams = ExportParams()

    def plain(self) -> dict[str, Any]:
        """JSON-ready values with the names that users write."""
        return self.model_dump(mode="json", by_alias=True)


def validate(values: dict[str, Any]) -> Params:
    """Turn nested dictionaries into typed parameters.

    Raises:
        UserError: one line that names the first wrong key, its value and what is allowed.
    """
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        remedy = ": set it in conf/ or with --params={}=..."
        raise UserError(
            first_problem(error, values, _unknown, noun="parameter ", remedy=remedy)
        ) from None
    _check_student(params.student)
    return params


def _check_student(student: StudentParams) -> None:
    if student.init == "checkpoint" and student.checkpoint is None:
        raise UserError(
            "parameter 'student.init' = 'checkpoint' needs 'student.checkpoint':"
            " a hub id or a folder with a smaller pretrained encoder"
        )
    read_with = {"checkpoint": "checkpoint"}
    read_with |= dict.fromkeys(("hidden_size", "heads", "intermediate_size"), "random")
    for name, init in read_with.items():
        if getattr(student, name) is not None and student.init != init:
            raise UserError(
                f"parameter 'student.{name}' is only read with student.init={init},"
                f" and 'student.init' = {student.init!r}: set it, or leave 'student.{name}' out"
            )


def _unknown(path: list[str]) -> str:
    name = ".".join(path)
    if ":" in path[0]:
        return (
            f"unknown parameter '{name}' (write --params={name.replace(':', '.')}=..., not {name})"
        )
    prefix = "".join(f"{part}." for part in path[:-1])
    siblings = ", ".join(sorted(prefix + field for field in fields_at(Params, path[:-1])))
    hint = did_you_mean(name, known_names(), "; {}") or f"; known: {siblings}"
    return f"unknown parameter '{name}'{hint}"


def known_names() -> list[str]:
    """Every parameter's dotted name."""
    return sorted(_names(Params, ""))


def _names(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for field, info in model.model_fields.items():
        name = f"{prefix}{info.alias or field}"
        yield name
        if inner := model_in(info.annotation):
            yield from _names(inner, f"{name}.")


def fields_at(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The entries that are known at a place below a model."""
    for part in path:
        field = model.model_fields.get(part)
        model = (field and model_in(field.annotation)) or model
    return [info.alias or name for name, info in model.model_fields.items()]


def model_in(kind: Any) -> type[BaseModel] | None:
    """The model that an annotation is, or has among its parts."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next(filter(None, map(model_in, getattr(kind, "__args__", ()))), None)
