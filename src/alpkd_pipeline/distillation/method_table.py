"""The table of distillation methods and the checks of their settings. Standard library only.

docs/architecture.md says what else a new method needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from alpkd_pipeline.distillation.method_spec import (
    MethodSettings,
    MethodSpec,
    Option,
    OptionValue,
    SoftScale,
    Term,
)
from alpkd_pipeline.errors import UserError, did_you_mean

ETA: Final = 0.7
LAMBDA: Final = 0.2

WEIGHTS: Final[Mapping[str, Term]] = {"beta": "hard", "eta": "soft", "lambda": "intermediate"}
"""The weight of each term of the loss, by the name that users give it."""

PROJECTION: Final = Option(
    "none",
    "linear: learn one map per student layer onto the teacher's width; a method that does not"
    " compare layers directly accepts it and makes no use of it",
    choices=("none", "linear"),
)
SOFT_SCALE: Final = Option(
    "t2", "factor of the soft term of a classification: T squared, or none", choices=("t2", "none")
)

_REDUCTION = {
    "reduction": Option("sum", "of the term over the student layers", choices=("sum", "mean"))
}
_OVERLAP = {"overlap": Option(1, "layers by which a bucket grows on both sides", minimum=1)}
_ATTENTION = {
    "scale": Option(
        "none",
        "divisor of the dot products: 1, as in the paper (none), or the root of the width (sqrt_d)",
        choices=("none", "sqrt_d"),
    ),
    "detach_weights": Option(False, "let no gradient flow through the attention weights"),
}

_TEACHER_LAYER = Option(0, "the teacher layer to follow, counted from 1; 0 is its last", minimum=0)


_CKD = MethodSpec(
    "ckd",
    "ckd.Ckd",
    summary="Each student layer predicts all teacher layers, concatenated.",
    source="Wu et al., EMNLP 2020, Why Skip If You Can Combine",
    measure="distance",
    bucket="all",
    learned="W_j and b_j of every student layer",
    options={
        "projection_side": Option(
            "student",
            "what is mapped: the student's vector onto the concatenation (student) or the"
            " concatenation onto the student's width (teacher)",
            choices=("student", "teacher"),
        ),
        **_REDUCTION,
    },
)
_ALP = MethodSpec(
    "alp_kd",
    "alp.Alp",
    summary="Each student layer follows its attention over all teacher layers.",
    source="Passban et al., AAAI 2021, arXiv 2012.14022",
    measure="MSE",
    bucket="all",
    compares_layers=True,
    attention=True,
    options=_ATTENTION | _REDUCTION,
)


def _like(
    row: MethodSpec, name: str, summary: str, own: Mapping[str, Option] | None = None, **others: Any
) -> MethodSpec:
    """A row under another name, with options of its own and other values."""
    return replace(
        row, name=name, summary=summary, options={**row.options, **(own or {})}, **others
    )


def _control(
    name: str, class_name: str, summary: str, own: dict[str, Option] | None = None, **others: Any
) -> MethodSpec:
    row = MethodSpec(
        name, f"controls.{class_name}", summary, "a control, not from a paper", measure="MSE"
    )
    return replace(row, compares_layers=True, options=_REDUCTION | (own or {}), **others)


# In the order of every table. New rows come last: methods without a mark of their own take the
# spare ones of `plots/canvas.py` in this order.
_ROWS = (
    MethodSpec(
        "no_kd",
        "kd.NoKd",
        summary="Plain fine-tuning of the same student from the same starting weights.",
        source="the baseline without a teacher",
        terms=frozenset({"hard"}),
        needs=frozenset(),
        beta=1.0,
    ),
    MethodSpec(
        "kd",
        "kd.Kd",
        summary="The student learns from labels and from the teacher's softened outputs.",
        source="Hinton et al. 2015, arXiv 1503.02531",
        terms=frozenset({"hard", "soft"}),
        needs=frozenset({"logits"}),
    ),
    MethodSpec(
        "pkd",
        "pkd.Pkd",
        summary="Each student layer but the last follows one teacher layer, as unit vectors.",
        source="Sun et al., EMNLP 2019, arXiv 1908.09355",
        measure="distance",
        compares_layers=True,
        options={
            "layers": Option(
                "skip",
                "teacher layers to match: spread evenly (skip) or those just below the last (last)",
                choices=("skip", "last"),
            ),
            "normalise": Option(True, "compare unit vectors; false: vectors with their lengths"),
            "with_last": Option(False, "compare the student's last layer too"),
            **_REDUCTION,
        },
    ),
    _CKD,
    _like(_CKD, "ckd_no", "As ckd, from its own group of teacher layers.", bucket="no"),
    _like(_CKD, "ckd_po", "As ckd_no, with overlapping groups.", _OVERLAP, bucket="po"),
    _ALP,
    _like(_ALP, "alp_no", "As alp_kd, over its own group of teacher layers.", bucket="no"),
    _like(_ALP, "alp_po", "As alp_no, with overlapping groups.", _OVERLAP, bucket="po"),
    # Configurations of alp_kd under names of their own, so that a grid can hold several.
    _like(
        _ALP,
        "alp_kd_glmkd",
        "As alp_kd, with the soft term of GLMKD: T = 20 without the factor T squared.",
        temperature=20.0,
        soft_scale="none",
    ),
    _like(
        _ALP,
        "alp_kd_sqrt",
        "As alp_kd, the dot products divided by the root of the width.",
        {"scale": replace(_ATTENTION["scale"], default="sqrt_d")},
    ),
    _control(
        "uniform", "Uniform", "As alp_kd with equal weights instead of attention.", bucket="all"
    ),
    _control(
        "random_layer",
        "RandomLayer",
        "Each student layer follows a teacher layer drawn from the seed, in order.",
    ),
    _control(
        "last_layer",
        "LastLayer",
        "Only the last student layer follows a teacher layer, the last one.",
        source="a control; found strong in arXiv 2302.01530",
    ),
    _control(
        "reversed",
        "Reversed",
        "Layers are matched evenly spread, but in the wrong order.",
        source="a control; found surprisingly good in arXiv 2502.04499",
    ),
    _control(
        "all_to_one",
        "AllToOne",
        "Every student layer follows one and the same teacher layer.",
        source="a control; of the study arXiv 2502.04499",
        own={"teacher_layer": _TEACHER_LAYER},
    ),
    _control(
        "shuffled",
        "Shuffled",
        "As random_layer, but in the order in which the layers are drawn.",
        source="a control; of the study arXiv 2502.04499",
        own={
            "drawn_from": Option(
                "all",
                "what is shuffled: all teacher layers, of which the first are taken (all), or those"
                " that are spread evenly (skip)",
                choices=("all", "skip"),
            )
        },
    ),
    MethodSpec(
        "rail_kd",
        "rail_kd.RailKd",
        summary="Each student layer follows a teacher layer drawn anew each epoch, both mapped.",
        source="Haidar et al., Findings of NAACL 2022, arXiv 2109.10164",
        measure="distance",
        learned="maps of both models into one space",
        pooling="mean",
        deeper_by=1,
        options={
            "mode": Option(
                "layer",
                "maps for each pair of layers (layer), or one for all of a model's side by side"
                " (concat)",
                choices=("layer", "concat"),
            ),
            "width": Option(128, "of the space that both models are mapped into", minimum=1),
            "shared_map": Option(
                False, "one map for all layers of a model; in concat there is but one"
            ),
            "with_last": Option(True, "compare the student's last layer too"),
            **_REDUCTION,
        },
    ),
    MethodSpec(
        "universal_kd",
        "universal_kd.UniversalKd",
        summary="What student layers would answer follows an attention over the teacher's layers.",
        source="Wu et al., EMNLP 2021, Universal-KD",
        measure="divergence of outputs",
        learned="W_j; V_k of the teacher beforehand",
        least_layers=2,
        options=_REDUCTION,
    ),
    MethodSpec(
        "minilmv2",
        "minilmv2.MiniLmV2",
        summary="The last student layer relates tokens to one another as a teacher layer does.",
        source="Wang et al., Findings of ACL 2021, arXiv 2012.15828",
        needs=frozenset({"logits", "qkv"}),
        measure="divergence of relations",
        options={
            "teacher_layer": _TEACHER_LAYER,
            "relation_heads": Option(
                0,
                "into how many parts vectors are cut, a divisor of both widths; 0: as many as the"
                " teacher has attention heads",
                minimum=0,
            ),
        },
    ),
    MethodSpec(
        "tinybert",
        "tinybert.TinyBert",
        summary="Embeddings, token states and attention scores follow evenly spread layers.",
        source="Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351",
        needs=frozenset({"logits", "states", "scores"}),
        measure="MSE of tokens and of attention scores",
        learned="W_h and W_e",
        options=_REDUCTION,
    ),
    MethodSpec(
        "fdd",
        "fdd.Fdd",
        summary="Layers, and the steps between them, point where evenly spread ones do.",
        source="feature dynamics distillation, ACL 2025, long paper 1125",
        measure="1 - cos of layers and of steps",
        compares_layers=True,
    ),
    MethodSpec(
        "cka",
        "cka.Cka",
        summary="A batch's rows lie to one another as in evenly spread teacher layers.",
        source="linear CKA (Kornblith et al. 2019, arXiv 1905.00414) as a loss, as in FSD",
        measure="-ln CKA",
        fewest_rows=8,
        options=_REDUCTION,
    ),
    MethodSpec(
        "lad",
        "lad.Lad",
        summary="Each student layer follows teacher layers that learned gates fuse from below.",
        source="Lin et al., Sensors 2023, LAD",
        measure="MSE",
        learned="gates and their norms",
        compares_layers=True,
        options={"gate_lr": Option(1e-6, "peak learning rate of the gates and their norms")},
    ),
    MethodSpec(
        "theseus",
        "theseus.Theseus",
        summary="Student layers take the places of groups of teacher layers, more and more often.",
        source="Xu et al., EMNLP 2020, arXiv 2002.02925",
        terms=frozenset({"hard"}),
        needs=frozenset(),
        swaps_blocks=True,
        beta=1.0,
        options={
            "replace_from": Option(
                0.5,
                "probability of the first step that a student layer runs and not its group of the"
                " teacher",
                maximum=1.0,
            ),
            "replace_until": Option(
                0.5, "share of all steps after which the student runs alone", maximum=1.0
            ),
        },
    ),
)

METHODS: Final[Mapping[str, MethodSpec]] = {row.name: row for row in _ROWS}
"""Every method by name."""


def get_spec(name: str) -> MethodSpec:
    """The row of a method.

    Raises:
        UserError: no such method; names the closest one and all known ones.
    """
    if name in METHODS:
        return METHODS[name]
    raise UserError(
        f"unknown method {name!r}{did_you_mean(name, METHODS)}; known: {', '.join(METHODS)}"
    )


def resolve_method(
    name: str,
    weights: Mapping[str, float | None],
    temperature: float | None,
    options: Mapping[str, OptionValue],
) -> MethodSettings:
    """Check the settings of a method and fill in its defaults.

    A weight for a term that the method lacks is refused. A temperature and `soft_scale` are
    accepted by every method and dropped where there is no soft term, and so is `projection` where
    no layers are compared directly: one setting can then serve a comparison of many methods. What
    is absent or None means the default.

    Returns:
        The settings that have an effect, complete.

    Raises:
        UserError: names the setting, what is wrong and what is allowed.
    """
    spec = get_spec(name)
    given = {key: value for key, value in weights.items() if value is not None}
    for key, weight in given.items():
        if key not in WEIGHTS:
            raise UserError(
                f"unknown weight {key!r}{did_you_mean(key, WEIGHTS)}; known: {', '.join(WEIGHTS)}"
            )
        if WEIGHTS[key] not in spec.terms:
            raise UserError(
                f"method {name!r} has no {WEIGHTS[key]} term: leave out its weight"
                f" {key} (given: {weight!r})"
            )
        if not _is_finite(weight) or weight < 0:
            raise UserError(f"weight {key}={weight!r} is refused: use a finite number >= 0")
    if temperature is not None and not (_is_finite(temperature) and temperature > 0):
        raise UserError(f"temperature={temperature!r} is refused: use a finite number > 0")
    known = {"projection": PROJECTION, "soft_scale": SOFT_SCALE, **spec.options}
    for key, value in options.items():
        if key not in known:
            raise UserError(
                f"method {name!r} has no option {key!r}{did_you_mean(key, known)};"
                f" its options: {', '.join(known)}"
            )
        known[key].check(key, value)
    soft, layered = "soft" in spec.terms, "intermediate" in spec.terms
    own = {key: options.get(key, option.default) for key, option in spec.options.items()}
    return MethodSettings(
        name=name,
        beta=float(given.get("beta", spec.beta)),
        eta=float(given.get("eta", ETA)) if soft else None,
        lambda_=float(given.get("lambda", LAMBDA)) if layered else None,
        temperature=float(temperature or spec.temperature) if soft else None,
        soft_scale=cast("SoftScale", options.get("soft_scale", spec.soft_scale)) if soft else None,
        projection=str(options.get("projection", "none")) if spec.compares_layers else None,
        options=own,
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and math.isfinite(value)
