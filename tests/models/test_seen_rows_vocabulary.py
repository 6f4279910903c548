from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.training.toys import random_rows

from alpkd_pipeline.models import seen_rows
from alpkd_pipeline.models.seen_rows import seen_tokens


def test_tokens_of_all_splits_and_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(random_rows(1), input_ids=np.array([7, 3, 3, 9], dtype=np.int32))
    two = replace(random_rows(1), input_ids=np.array([40, 3, 2], dtype=np.int32))
    assert seen_tokens((one, two), pad_id=1).tolist() == [1, 2, 3, 7, 9, 40]
    monkeypatch.setattr(seen_rows, "AT_ONCE", 2)
    assert seen_tokens((one, two), pad_id=1).tolist() == [1, 2, 3, 7, 9, 40]


def test_a_split_without_rows_has_no_tokens() -> None:
    empty = replace(random_rows(1), input_ids=np.empty(0, dtype=np.int32))
    assert seen_tokens((empty,), pad_id=0).tolist() == [0]
