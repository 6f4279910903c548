"""The typed parameters: one frozen block per top-level key of conf/*/parameters.

Configuration stops here. What a training reads are dataclasses of the room that reads it; here they
are validated, and with them what only commands and pipelines need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from alpkd_pipeline.constraints import COMMIT, Number, Place
from alpkd_pipeline.coordinates import as_list, parse_only
from alpkd_pipeline.errors import UserError, did_you_mean, first_problem
from alpkd_pipeline.export.settings import ExportSettings
from alpkd_pipeline.run_settings import (
    SignalSettings,
    StudentSettings,
    TeacherSettings,
    TrainingSettings,
)
from alpkd_pipeline.tasks.task import SourceKind, TaskKind, TrainRowsBy

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"

Real = Annotated[float, Number()]
Whole = Annotated[int, Number()]
Share = Annotated[float, Number(ge=0.0, lt=1.0)]
Look = Annotated[Whole, Field(ge=3)]


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
PathText = Annotated[str, Place()]
Paths = Annotated[tuple[PathText, ...], BeforeValidator(_words)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True)


class TaskParams(_Block):
    """The task, where its rows come from, and how they are checked and cut."""

    name: str = Field(pattern=NAME)
    source: SourceKind
    dataset: str | None = None
    config: str | None = None
    revision: str | None = Field(default=None, pattern=COMMIT)
    path: PathText | None = None
    files: dict[str, PathText] = {}
    columns: dict[str, str] = {}
    text_columns: Annotated[Words, Field(min_length=1, max_length=2)] | None = None
    labels: Words | None = None
    kind: TaskKind | None = None
    label_range: Annotated[tuple[Real, Real], Numbers] | None = None
    metrics: Annotated[Paths, Field(min_length=1)] | None = None
    max_length: Annotated[Whole, Field(ge=4, le=8192)]
    train_rows: Annotated[Whole, Field(ge=1)] | None = None
    train_rows_by: TrainRowsBy = "first"
    dev_fraction: Annotated[Share, Field(gt=0)] = 0.1
    max_overlap: Share = 0.02
    unlabelled: Literal["refuse", "allow"] = "refuse"
    unlabelled_rows: Annotated[Whole, Field(ge=0)] | None = None
    group_column: str | None = Field(default=None, min_length=1)
    teacher_columns: dict[str, str] = {}
    teacher_values: Literal["probabilities", "logits"] = "probabilities"


class MethodParams(BaseModel):
    """The distillation method, its weights and its own options (method_table.py lists them)."""

    model_config = ConfigDict(extra="allow", frozen=True, validate_by_name=True)

    name: str
    beta: Annotated[Real, Field(ge=0)] | None = None
    eta: Annotated[Real, Field(ge=0)] | None = None
    lambda_: Annotated[Real, Field(ge=0)] | None = Field(default=None, alias="lambda")
    temperature: Annotated[Real, Field(gt=0)] | None = None
    soft_scale: Literal["t2", "none"] | None = None
    pooling: Literal["cls", "mean"] = "cls"
    projection: Literal["none", "linear"] = "none"

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options, as given."""
        return dict(self.model_extra or {})


class RunParams(_Block):
    """Where results and tracking go; nothing here changes a result."""

    store: Annotated[str, Place(least=1)] = "data"
    # YAML 1.1 reads the word off as false.
    tracking: Annotated[str, BeforeValidator(lambda v: "off" if v is False else v)] = "sqlite"
    experiment: str = Field(default="alpkd", min_length=1)
    group: str | None = Field(default=None, min_length=1, max_length=128)
    """The sweep or search that asks for the run: the parent of its run in MLflow."""
    kind: Literal["cell", "trial", "rerun"] = "cell"
    """Trials of a search and reruns are stored like experiments, but enter no comparison."""


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
    margin: dict[str, Annotated[Real, Field(gt=0)]] = {}
    """By metric, in points (errors: in their own unit); metrics that are left out keep theirs."""
    looks: Annotated[tuple[Look, ...], Numbers, AfterValidator(_rising)] = ()
    """The numbers of seeds at which the experiment was planned to be looked at."""
    claims: PathText | None = None
    """A claim of `kedro claim`, or a folder with several, whose runs count too."""


class Params(_Block):
    """Everything that defines one experiment."""

    task: TaskParams
    teacher: TeacherSettings
    student: StudentSettings
    method: MethodParams
    training: TrainingSettings
    signals: SignalSettings = SignalSettings()
    seed: Annotated[int, Number(ge=0, lt=2**31)] = 0
    run: RunParams = RunParams()
    compare: CompareParams = CompareParams()
    export: ExportSettings = ExportSettings()

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
        more = {"noun": "parameter ", "remedy": ": set it in conf/ or with --params={}=..."}
        raise UserError(first_problem(error, values, _unknown, **more)) from None
    _check_student(params.student)
    return params


def _check_student(student: StudentSettings) -> None:
    if student.init == "checkpoint" and student.checkpoint is None:
        needed = "'student.checkpoint': a hub id or a folder with a smaller pretrained encoder"
        raise UserError(f"parameter 'student.init' = 'checkpoint' needs {needed}")
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
        typed = f"--params={name.replace(':', '.')}=..."
        return f"unknown parameter '{name}' (write {typed}, not {name})"
    prefix = "".join(f"{part}." for part in path[:-1])
    siblings = ", ".join(sorted(prefix + field for field in fields_at(Params, path[:-1])))
    hint = did_you_mean(name, known_names(), "; {}") or f"; known: {siblings}"
    return f"unknown parameter '{name}'{hint}"


def known_names(block: type = Params, prefix: str = "") -> list[str]:
    """Every parameter's dotted name, or those below a block."""
    names = []
    for entry, annotation in entries(block).items():
        inner = block_in(annotation)
        names += [prefix + entry, *(known_names(inner, f"{prefix}{entry}.") if inner else ())]
    return sorted(names)


def fields_at(block: type, path: Sequence[str]) -> list[str]:
    """The entries that are known at a place below a block."""
    for part in path:
        block = block_in(entries(block).get(part)) or block
    return [*entries(block)]


def entries(block: type) -> dict[str, Any]:
    """The entries of a block by the names that users write, each with its annotation."""
    if issubclass(block, BaseModel):
        return {info.alias or name: info.annotation for name, info in block.model_fields.items()}
    hints = get_type_hints(block)
    own: Any = block
    return {field.name: hints[field.name] for field in fields(own)}


def block_in(kind: Any) -> type | None:
    """The block that an annotation is, or has among its parts."""
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or is_dataclass(kind)):
        return kind
    return next(filter(None, map(block_in, getattr(kind, "__args__", ()))), None)
