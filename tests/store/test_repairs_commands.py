"""What to type to have a folder again."""

from __future__ import annotations

import pytest
from tests.store.stores import SmallStore, bad

from alpkd_pipeline.store.verify import verify_store


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("said", "kedro run --pipeline=distill --params=name=small"),
        ("rows", "kedro run --pipeline=distill --params=name=big"),
        ("big-latency", "kedro run --pipeline=evaluate --params=name=big"),
        ("small-layers", "kedro run --pipeline=evaluate --params=name=small"),
    ],
)
def test_what_has_no_command_is_made_again_by_that_of_a_training(
    store: SmallStore, name: str, command: str
) -> None:
    (store.folder(name) / "data.bin").write_bytes(b"")
    (found,) = bad(verify_store(store.root))
    assert "0 bytes instead of 64" in found.what
    assert found.do.endswith(f", then {command}")
