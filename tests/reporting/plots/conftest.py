"""Pictures are drawn in the page's style."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alpkd_pipeline.reporting.plots.canvas import style


@pytest.fixture(autouse=True)
def _style() -> Iterator[None]:
    with style():
        yield
