"""The settings of an export: what its gate allows by default, and to whom."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from alpkd_pipeline.constraints import block_of
from alpkd_pipeline.export.settings import ClassBounds, ExportSettings, GateSettings, NumberBounds


@pytest.mark.parametrize(
    ("form", "kind", "bounds"),
    [
        ("fp32", "classification", ClassBounds(logits=1e-4, changed=0.0)),
        ("int8", "classification", ClassBounds(changed=2.0, loss=1.0)),
        ("fp32", "regression", NumberBounds(logits=1e-4)),
        ("int8", "regression", NumberBounds(largest=0.5, mean=0.1, pearson=0.99, loss=1.0)),
    ],
)
def test_what_is_allowed_unless_it_is_said(form: str, kind: str, bounds: object) -> None:
    assert GateSettings().of(form, kind) == bounds


def test_they_are_the_same_after_a_file() -> None:
    settings = ExportSettings(register="a-model", price_per_hour=1.5)
    assert block_of(ExportSettings, asdict(settings)) == settings
