"""How a finished model is published: the parameter block `export`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from alpkd_pipeline.constraints import Block, Number, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBounds(Block):
    """How far a form of a classification may be from torch; what is null is not asked."""

    logits: Annotated[float, Number(gt=0)] | None = None  # largest difference of any logit
    # what the first metric may lose: points of a score, % of an error
    loss: Annotated[float, Number(ge=0)] | None = None
    # answers that are others, in percent of the rows
    changed: Annotated[float, Number(ge=0, le=100)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberBounds(Block):
    """Of a regression."""

    logits: Annotated[float, Number(gt=0)] | None = None
    loss: Annotated[float, Number(ge=0)] | None = None
    # largest and mean difference, in standard deviations of torch's answers
    largest: Annotated[float, Number(gt=0)] | None = None
    mean: Annotated[float, Number(gt=0)] | None = None
    # correlation with torch's answers, at least
    pearson: Annotated[float, Number(gt=0, le=1)] | None = None


@dataclass(frozen=True, slots=True)
class FormBounds(Block):
    """What the gate allows to one form, by the kind of task."""

    classification: ClassBounds
    regression: NumberBounds


@dataclass(frozen=True, slots=True)
class GateSettings(Block):
    """What the gate allows to each form."""

    fp32: FormBounds = FormBounds(ClassBounds(logits=1e-4, changed=0.0), NumberBounds(logits=1e-4))
    int8: FormBounds = FormBounds(
        ClassBounds(changed=2.0, loss=1.0),
        NumberBounds(largest=0.5, mean=0.1, pearson=0.99, loss=1.0),
    )

    def of(self, form: str, kind: str) -> ClassBounds | NumberBounds:
        """The bounds of `fp32` or `int8` for a kind of task."""
        bounds: FormBounds = getattr(self, form)
        return bounds.regression if kind == "regression" else bounds.classification


@dataclass(frozen=True, slots=True)
class ExportSettings(Block):
    """How a finished model is published; no key of another result depends on it."""

    opset: Annotated[int, Number(ge=18, le=25)] = 20
    calibrate: Literal["temperature", "none"] = "temperature"
    serve: Literal["int8", "fp32"] = "int8"
    gate: GateSettings = GateSettings()
    # whether a form is published only if its 95 % limits are within the bounds too
    require_bound: bool = False
    threads: Annotated[int, Number(ge=1)] = 1
    # rows that are timed one by one; a 95th percentile of fewer than 1,000 is a guess
    repeats: Annotated[int, Number(ge=1)] = 1000
    batches: Annotated[int, Number(ge=1)] = 20
    # of this machine, in any currency: what a million rows cost
    price_per_hour: Annotated[float, Number(ge=0)] | None = None
    # the name in MLflow's registry under which a version is registered
    register: Annotated[str, Text(r"^[^/:'\"]{1,200}$")] | None = None
