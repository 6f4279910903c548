from __future__ import annotations

from pathlib import Path

import pytest
from tests.published import shared_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fine-tuned model's folder with its ONNX forms."""
    return shared_model(tmp_path_factory)
