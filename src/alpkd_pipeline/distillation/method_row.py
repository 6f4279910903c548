"""What the table of methods says about one method. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from alpkd_pipeline.errors import UserError

Term = Literal["hard", "soft", "intermediate"]
BucketKind = Literal["all", "no", "po"]
Pooling = Literal["cls", "mean"]
OptionValue = str | int | bool

TOKEN_SIGNALS = frozenset({"states", "scores", "qkv"})
"""Signals of single tokens: too large to be kept, so the teacher runs beside the student."""


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a method. Its type is the type of its default.

    Attributes:
        default: the value when none is given.
        doc: what it does, one sentence.
        choices: the allowed words of a text option.
        minimum: the least allowed value of a whole number.
    """

    default: OptionValue
    doc: str
    choices: tuple[str, ...] = ()
    minimum: int | None = None

    @property
    def allowed(self) -> str:
        """The allowed values in words, for messages and the documentation."""
        if self.choices:
            return " or ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        return "a whole number" if self.minimum is None else f"a whole number >= {self.minimum}"

    def accepts(self, value: object) -> bool:
        """Whether a value has the type and range of the option; true and 1 are not the same."""
        if type(value) is not type(self.default):
            return False
        if self.choices:
            return value in self.choices
        return self.minimum is None or (isinstance(value, int) and value >= self.minimum)

    def check(self, name: str, value: object) -> None:
        """Refuse a value that the option does not accept.

        Raises:
            UserError: names the option, the value and what is allowed.
        """
        if not self.accepts(value):
            raise UserError(f"option {name}={value!r} is refused: use {self.allowed}")


@dataclass(frozen=True, slots=True)
class MethodRow:
    """One method of the table.

    Attributes:
        name: what users call it.
        module: the module that holds its class.
        class_name: the class in that module.
        terms: which parts its loss has; each has a weight (beta, eta, lambda).
        needs: which signals of the teacher it reads, out of `logits` and `layers`, or `states`,
            `scores` and `qkv` of single tokens.
        bucket: the rule of its buckets (`all`, `no`, `po`); None when it uses none.
        measure: what its intermediate term is made of, in words; empty when it has none.
        learned: what the method itself learns, in words; empty when nothing.
        compares_layers: whether student vectors meet teacher vectors directly, so that their
            widths must agree unless a projection is learned.
        attention: whether its loss comes with attention weights over the teacher's layers.
        pooling: how layers become vectors when nobody says it.
        deeper_by: how many layers more than the student the teacher must have.
        beta: the default weight of the hard term.
        options: its own settings by name.
        summary: one sentence.
        source: the paper it comes from.
    """

    name: str
    module: str
    class_name: str
    terms: frozenset[Term]
    needs: frozenset[str]
    summary: str
    source: str
    bucket: BucketKind | None = None
    measure: str = ""
    learned: str = ""
    compares_layers: bool = False
    attention: bool = False
    pooling: Pooling = "cls"
    deeper_by: int = 0
    beta: float = 0.1
    options: Mapping[str, Option] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether the teacher always runs beside the student, since its signals are not kept."""
        return bool(self.needs & TOKEN_SIGNALS)


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What a method runs with: defaults filled in, settings without effect left out.

    Attributes:
        name: the method.
        beta: weight of the hard term.
        eta: weight of the soft term; None if the method has none.
        lambda_: weight of the intermediate term; None if the method has none.
        temperature: T of the soft term; None if the method has none.
        projection: `none` or `linear`; None if the method never compares layers directly.
        options: every own option of the method.
    """

    name: str
    beta: float
    eta: float | None
    lambda_: float | None
    temperature: float | None
    projection: str | None
    options: Mapping[str, OptionValue]

    def to_dict(self) -> dict[str, str | float | bool]:
        """The settings as one flat JSON-ready mapping, `lambda` without its underscore."""
        own = {
            "name": self.name,
            "beta": self.beta,
            "eta": self.eta,
            "lambda": self.lambda_,
            "temperature": self.temperature,
            "projection": self.projection,
            **self.options,
        }
        return {key: value for key, value in own.items() if value is not None}
