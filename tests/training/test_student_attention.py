"""Attention over a split, looked at in batches of any size and order."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from tests.training.toys import loaded, random_rows
from torch import Tensor

from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.registry import build_method
from alpkd_pipeline.distillation.signals import Signal
from alpkd_pipeline.training.devices import Accelerator, Hardware
from alpkd_pipeline.training.predict import BatchOutput
from alpkd_pipeline.training.run import Observer
from alpkd_pipeline.training.student import attention_observer

ROWS, STUDENT, TEACHER, WIDTH = 5, 2, 4, 3
SPLIT = random_rows(ROWS)


def waves(*shape: int, phase: float) -> Tensor:
    return torch.sin(torch.arange(float(math.prod(shape))) * 1.7 + phase).reshape(shape)


OURS = Signal(waves(ROWS, 2, phase=0), waves(ROWS, STUDENT, WIDTH, phase=1))
THEIRS = Signal(waves(ROWS, 2, phase=2), waves(ROWS, TEACHER, WIDTH, phase=3))


def method(name: str, **options: object) -> Method:
    return build_method(
        name,
        teacher_layers=TEACHER,
        student_layers=STUDENT,
        teacher_width=WIDTH,
        student_width=WIDTH,
        **options,  # type: ignore[arg-type]
    )


def outputs(*groups: list[int]) -> list[BatchOutput]:
    assert OURS.layers is not None
    return [BatchOutput(np.array(g), OURS.logits[g], OURS.layers[g]) for g in groups]


class Teacher:
    def signals(self, rows: Tensor, inputs: dict[str, Tensor]) -> Signal:
        assert THEIRS.layers is not None
        return Signal(THEIRS.logits[rows], THEIRS.layers[rows])


def observer(chosen: Method) -> Observer:
    on = Accelerator(torch.device("cpu"), Hardware("cpu", "toy", "fp32", 1))
    return attention_observer(chosen, Teacher(), SPLIT, loaded(None, on))


def look(chosen: Method, *groups: list[int]) -> dict:
    return observer(chosen)(outputs(*groups))["attention"]


def test_weights_are_the_mean_over_all_rows() -> None:
    chosen = method("alp_kd")
    terms = chosen(OURS, THEIRS, torch.from_numpy(SPLIT.labels))
    assert terms.weights is not None
    found = look(chosen, [4, 1], [0, 2, 3])
    np.testing.assert_allclose(found["weights"], terms.weights.mean(dim=0), atol=1e-6)
    assert found["examples"] == ROWS
    by_hand = -(terms.weights * terms.weights.log()).sum(dim=2).mean(dim=0)
    assert found["entropy"] == pytest.approx(by_hand.tolist(), rel=1e-5)


def test_batches_do_not_matter() -> None:
    chosen = method("alp_kd")
    one, many = look(chosen, [0, 1, 2, 3, 4]), look(chosen, [3], [0, 4], [2, 1])
    np.testing.assert_allclose(one["weights"], many["weights"], atol=1e-6)
    assert one["entropy"] == pytest.approx(many["entropy"])


def test_only_the_rows_that_are_looked_at_count() -> None:
    chosen = method("alp_kd")
    assert look(chosen, [2])["examples"] == 1
    assert look(chosen, [2])["weights"] != look(chosen, [3])["weights"]


def test_the_largest_possible_entropy_is_that_of_the_bucket() -> None:
    assert look(method("alp_kd"), [0])["max_entropy"] == pytest.approx([math.log(4)] * 2)
    buckets = look(method("alp_no"), [0, 1])
    assert buckets["max_entropy"] == pytest.approx([math.log(2)] * 2)
    assert np.array(buckets["weights"])[0, 2:].tolist() == [0, 0]


def test_it_is_ready_for_the_event_log() -> None:
    found = look(method("alp_kd"), [0, 1])
    assert json.loads(json.dumps(found)) == found
    assert np.array(found["weights"]).sum(axis=1) == pytest.approx([1, 1])


def test_looking_again_starts_again() -> None:
    observe = observer(method("alp_kd"))
    first, second = observe(outputs([0, 1])), observe(outputs([0, 1]))
    assert first == second


def test_what_the_method_has_learned_meanwhile_counts() -> None:
    chosen = method("alp_kd", projection="linear")
    before = look(chosen, [0, 1, 2])
    with torch.no_grad():
        for parameter in chosen.learned:
            parameter.mul_(3)
    assert look(chosen, [0, 1, 2])["weights"] != before["weights"]
