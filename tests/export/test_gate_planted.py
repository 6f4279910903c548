"""Every planted fault is refused, by digest or by answers; no good export is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.export.conftest import MakeWorld
from tests.export.planted import FAMILIES, caught, faults, planted

QUICK = (
    "labels swapped",
    "another vocabulary",
    "token types dropped by the settings",
    "stale ONNX of another student",
    "truncation at half",
    "a high threshold",
    "a temperature of 1.1",
    "int8 scales of zero",
    "fp16 overflow",
    "another pad token",
    "a file cut off",
)


def test_there_are_a_hundred_faults_over_three_families() -> None:
    assert len({*faults()}) >= 100
    assert len(FAMILIES) == 3


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_is_refused(world: MakeWorld, tmp_path: Path, name: str) -> None:
    made = planted("bert", name, world, tmp_path / "export")
    assert caught(made, tmp_path / "export")


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "name"), [*faults()])
def test_every_fault_is_refused(
    world: MakeWorld, tmp_path: Path, encoder: str, name: str, record_property: object
) -> None:
    found = caught(planted(encoder, name, world, tmp_path / "export"), tmp_path / "export")
    print("caught", encoder, name, "by", " and ".join(found), sep=" | ")
    assert found


@pytest.mark.parametrize("encoder", FAMILIES)
def test_a_good_export_is_not(world: MakeWorld, tmp_path: Path, encoder: str) -> None:
    made = world(encoder, FAMILIES[encoder])
    assert caught(made, made.export(tmp_path / "export")) == {}
