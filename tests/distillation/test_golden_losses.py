"""The first losses of every method on fixed numbers, kept in tests/golden/method_losses.json.

After a new method or a deliberate change of a loss, write those that are missing or others now, and
read the difference before committing:

    ALPKD_WRITE_GOLDEN=1 python -m pytest tests/distillation/test_golden_losses.py
"""

import json
import os
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from alpkd_pipeline.distillation import Signal, build_method
from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.store.manifest import write_json

GOLDEN = Path(__file__).parents[1] / "golden" / "method_losses.json"
CASES = {name: (name, {}) for name in METHODS} | {
    "alp_kd, scaled": ("alp_kd", {"scale": "sqrt_d"}),
    "alp_kd, projected": ("alp_kd", {"student_width": 3, "projection": "linear"}),
    "alp_po, regression": ("alp_po", {"task": "regression"}),
    "ckd_no, teacher side": ("ckd_no", {"projection_side": "teacher"}),
    "pkd, last": ("pkd", {"layers": "last"}),
    "pkd, raw": ("pkd", {"normalise": False, "with_last": True}),
    "shuffled, evenly spread": ("shuffled", {"drawn_from": "skip"}),
    "rail_kd, shared": ("rail_kd", {"shared_map": True, "with_last": False}),
    "cka, narrower": ("cka", {"student_width": 2}),
    # Its hard term alone; which blocks run is no part of the loss, see its own tests.
    "theseus": ("theseus", {"teacher_layers": 6}),
    "lad, projected": ("lad", {"student_width": 2, "projection": "linear"}),
    "rail_kd, concat": ("rail_kd", {"mode": "concat", "width": 5}),
    "minilmv2, one head": ("minilmv2", {"relation_heads": 1, "teacher_layer": 2}),
    "tinybert, narrower": ("tinybert", {"student_width": 2}),
    "universal_kd, regression": ("universal_kd", {"task": "regression"}),
}
SIZES = {
    "teacher_layers": 7,
    "student_layers": 3,
    "teacher_width": 4,
    "student_width": 4,
    "teacher_heads": 2,
    "classes": 3,
}


def first_losses(wavy, name, changes, said=lambda signal: signal):
    sizes = SIZES | {key: value for key, value in changes.items() if key in SIZES}
    task = changes.get("task", "classification")
    rows = max(3, METHODS[name].fewest_rows)
    kept = {"classes": 1 if task == "regression" else 3, "examples": rows}
    labels = torch.tensor(([0.5, 2.0, 4.5] if task == "regression" else [0, 2, 1]) * 3)[:rows]
    student = wavy(sizes["student_layers"], sizes["student_width"], **kept)
    teacher = wavy(sizes["teacher_layers"], sizes["teacher_width"], **kept, phase=2)
    method = build_method(name, **(sizes | changes), seed=11)
    terms = method(said(student), said(teacher), labels)
    parts = {key: getattr(terms, key) for key in ("hard", "soft", "intermediate", "total")}
    return {key: value.item() for key, value in parts.items() if value is not None}


@pytest.fixture(scope="module")
def golden(wavy):
    kept = json.loads(GOLDEN.read_text("utf-8"))
    if not os.environ.get("ALPKD_WRITE_GOLDEN"):
        return kept
    found = {case: first_losses(wavy, *CASES[case]) for case in CASES}
    # Last digits are those of a processor: they are no difference.
    same = {case: kept[case] for case in found if found[case] == near(kept.get(case, {}))}
    write_json(GOLDEN, found | same)
    return found | same


def near(losses):
    return pytest.approx(losses, rel=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_first_losses(case, golden, wavy):
    assert first_losses(wavy, *CASES[case]) == near(golden[case])


def in_bf16(signal):
    """As autocast hands a model's outputs over: bf16 has 8 digits (binary), the losses fp32."""
    values = {part.name: getattr(signal, part.name) for part in fields(signal)}
    return Signal(
        **{
            name: value.bfloat16() if value is not None and value.is_floating_point() else value
            for name, value in values.items()
        }
    )


@pytest.mark.parametrize("case", CASES)
def test_first_losses_of_bf16_models_are_those_but_for_the_rounding(case, golden, wavy):
    name, changes = CASES[case]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = first_losses(wavy, name, changes, in_bf16)
    assert found == pytest.approx(golden[case], rel=0.02)


def test_no_case_is_left_over(golden):
    assert set(golden) == set(CASES)


def rows_of(signal, rows):
    values = {part.name: getattr(signal, part.name) for part in fields(signal)}
    return Signal(**{name: None if v is None else v[rows] for name, v in values.items()})


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][0] != "cka"])
def test_every_loss_is_a_mean_over_examples(case, wavy):
    # So a batch that does not fit into memory may go through in parts.
    name, changes = CASES[case]
    sizes = SIZES | {key: value for key, value in changes.items() if key in SIZES}
    regression = changes.get("task") == "regression"
    labels = torch.tensor([0.5, 2.0, 4.5] if regression else [0, 2, 1])
    student = wavy(sizes["student_layers"], sizes["student_width"], classes=1 if regression else 3)
    teacher = wavy(
        sizes["teacher_layers"], sizes["teacher_width"], classes=1 if regression else 3, phase=2
    )
    method = build_method(name, **(sizes | changes), seed=11)
    whole = method(student, teacher, labels)
    parts = [
        (len(labels[rows]), method(rows_of(student, rows), rows_of(teacher, rows), labels[rows]))
        for rows in (slice(0, 1), slice(1, 3))
    ]
    for term in ("hard", "soft", "intermediate", "total"):
        if getattr(whole, term) is not None:
            mean = sum(count * getattr(said, term).item() for count, said in parts) / 3
            assert mean == pytest.approx(getattr(whole, term).item(), rel=1e-6), term
