"""What the table says about one method, and what it asks of two models. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from alpkd_pipeline.errors import UserError

Term = Literal["hard", "soft", "intermediate"]
BucketKind = Literal["all", "no", "po"]
Pooling = Literal["cls", "mean"]
SoftScale = Literal["t2", "none"]
OptionValue = str | int | float | bool

TOKEN_SIGNALS = frozenset({"states", "scores", "qkv"})
"""Signals of single tokens: too large to be kept, so the teacher runs beside the student."""


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a method. Its type is the type of its default."""

    default: OptionValue  # the value when none is given
    doc: str  # what it does, one sentence
    choices: tuple[str, ...] = ()  # the allowed words of a text option
    minimum: int | None = None  # the least allowed value of a whole number
    maximum: float | None = None  # the largest allowed value of a real number

    @property
    def allowed(self) -> str:
        """The allowed values in words, for messages and the documentation."""
        if self.choices:
            return " or ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, float):
            most = "" if self.maximum is None else f" and at most {self.maximum:g}"
            return f"a finite number > 0{most}"
        return "a whole number" if self.minimum is None else f"a whole number >= {self.minimum}"

    def check(self, name: str, value: object) -> None:
        """Refuse a value without the type and range of the option; true and 1 are not the same."""
        kinds = (int, float) if isinstance(self.default, float) else (type(self.default),)
        fits = type(value) in kinds and (not self.choices or value in self.choices)
        if fits and self.minimum is not None:
            fits = isinstance(value, int) and value >= self.minimum
        if fits and isinstance(self.default, float):
            most = math.inf if self.maximum is None else self.maximum
            fits = isinstance(value, int | float) and math.isfinite(value) and 0 < value <= most
        if not fits:
            raise UserError(f"option {name}={value!r} is refused: use {self.allowed}")


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """One method of the table."""

    name: str  # what users call it
    code: str  # its class, below the package `methods` (`alp.Alp`)
    summary: str  # one sentence
    source: str  # the paper it comes from
    # the parts of its loss, each with a weight (beta, eta, lambda)
    terms: frozenset[Term] = frozenset({"hard", "soft", "intermediate"})
    # which signals of the teacher it reads, out of `logits` and `layers`, or `states`, `scores` and
    # `qkv` of single tokens
    needs: frozenset[str] = frozenset({"logits", "layers"})
    bucket: BucketKind | None = None  # the rule of its buckets; None when it uses none
    measure: str = ""  # what its intermediate term is made of, in words; empty when it has none
    learned: str = ""  # what the method itself learns, in words; empty when nothing
    # whether student vectors meet teacher vectors directly, so that their widths must agree unless
    # a projection is learned
    compares_layers: bool = False
    attention: bool = False  # whether its loss has attention weights over the teacher's layers
    pooling: Pooling = "cls"  # how layers become vectors when nobody says it
    deeper_by: int = 0  # how many layers more than the student the teacher must have
    # above 1: its term compares the rows of a batch with one another, so many at the least, and is
    # no mean over rows
    fewest_rows: int = 1
    least_layers: int = 1  # how many layers the student must have
    # whether the teacher's blocks stand in for student layers while it trains, each for a group
    swaps_blocks: bool = False
    beta: float = 0.1  # the default weight of the hard term
    temperature: float = 10.0  # the default T of the soft term
    soft_scale: SoftScale = "t2"  # its default factor: T^2, or none
    options: Mapping[str, Option] = field(default_factory=dict)  # its own settings by name

    @property
    def class_path(self) -> str:
        """The dotted name of its class."""
        return f"alpkd_pipeline.distillation.methods.{self.code}"

    @property
    def live(self) -> bool:
        """Whether the teacher always runs with the student: its signals or blocks are not kept."""
        return self.swaps_blocks or bool(self.needs & TOKEN_SIGNALS)


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What a method runs with: defaults filled in, settings without effect left out.

    eta, T and the scale of the soft term, and lambda of the intermediate one, are None if the
    method has no such term; so is the projection if it never compares layers directly.
    """

    name: str
    beta: float
    eta: float | None
    lambda_: float | None
    temperature: float | None
    soft_scale: SoftScale | None
    projection: str | None
    options: Mapping[str, OptionValue]

    @property
    def term_weights(self) -> dict[str, float]:
        """The weight of each term that the method has."""
        weights = {"hard": self.beta, "soft": self.eta, "intermediate": self.lambda_}
        return {name: value for name, value in weights.items() if value is not None}

    def to_dict(self) -> dict[str, str | float | bool]:
        """The settings as one flat JSON-ready mapping, `lambda` without its underscore."""
        values = asdict(self)
        values |= values.pop("options")
        return {key.rstrip("_"): value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class KnownSizes:
    """Layers, widths and attention heads of the two models, as far as they are known."""

    teacher_layers: int | None
    student_layers: int
    teacher_width: int | None
    student_width: int | None
    teacher_heads: int | None = None
    student_heads: int | None = None


@dataclass(frozen=True, slots=True)
class Sizes(KnownSizes):
    """The same of two models that are there; attention heads are None where nobody said them."""

    teacher_layers: int
    teacher_width: int
    student_width: int


def check_sizes(spec: MethodSpec, settings: MethodSettings, sizes: KnownSizes) -> None:
    """Refuse two models that a method cannot compare.

    The same checks refuse a configuration before anything is loaded and a method when it is built;
    a size that is not known yet is None and passes.
    """
    m, n = sizes.student_layers, sizes.teacher_layers
    all_but_last = settings.options.get("with_last") is False
    if spec.deeper_by and all_but_last and m == 1:
        raise UserError(
            f"method {spec.name!r} leaves out the student's last layer with with_last=false, and"
            " this student has no other: set method.with_last=true"
        )
    deeper_by = max(0, spec.deeper_by - all_but_last)
    if n is not None and m > n - deeper_by:
        raise UserError(
            f"method {spec.name!r} needs a student with at least {deeper_by} layer less than its"
            f" teacher's {n}, not {m}: set student.layers to at most {n - deeper_by}"
        )
    if m < spec.least_layers:
        raise UserError(
            f"method {spec.name!r} leaves the last layers out and needs a student with at least"
            f" {spec.least_layers} layers, not {m}: raise student.layers, or take another method"
        )
    layer = int(settings.options.get("teacher_layer", 0))
    if n is not None and layer > n:
        raise UserError(
            f"option teacher_layer={layer} of method {spec.name!r} is refused: the teacher has"
            f" {n} layers; use 1 to {n}, or 0 for the last"
        )
    ours, theirs = sizes.student_heads, sizes.teacher_heads
    if spec.swaps_blocks:
        said = (
            f"method {spec.name!r} puts groups of the teacher's layers in the place of student"
            " layers"
        )
        if n is not None and n % m:
            raise UserError(
                f"{said}, and {n} layers are no {m} equal groups: set student.layers to a divisor"
                f" of {n}"
            )
        widths = sizes.student_width, sizes.teacher_width
        for what, mine, wanted in (("width", *widths), ("attention heads", ours, theirs)):
            if None not in (mine, wanted) and mine != wanted:
                raise UserError(
                    f"{said}: the student's {what} must be the teacher's {wanted}, not {mine};"
                    " leave out student.hidden_size and student.heads"
                )
    if "relation_heads" in settings.options:
        heads = int(settings.options["relation_heads"]) or theirs
        for side, width in (("teacher", sizes.teacher_width), ("student", sizes.student_width)):
            if width is not None and heads is not None and width % heads:
                raise UserError(
                    f"method {spec.name!r} cuts vectors into {heads} relation heads, and the"
                    f" {side}'s width {width} is no multiple of it: set method.relation_heads to a"
                    " divisor of both widths"
                )
    if "scores" in spec.needs and ours is not None and theirs is not None and ours != theirs:
        raise UserError(
            f"method {spec.name!r} compares attention head by head, but the student has {ours}"
            f" heads and the teacher {theirs}: take a student with {theirs} heads, or another"
            " method"
        )


def check_batches(spec: MethodSpec, batch_size: int, accumulation: int) -> None:
    """Refuse a training whose batches are not what a method compares."""
    if spec.fewest_rows == 1:
        return
    said = f"method {spec.name!r} compares the rows of a batch with one another"
    if batch_size < spec.fewest_rows:
        raise UserError(
            f"{said}: set training.batch_size to at least {spec.fewest_rows}, not {batch_size}"
        )
    if accumulation > 1:
        raise UserError(
            f"{said}, and the sum over {accumulation} batches is not the same: set"
            " training.accumulation to 1"
        )
