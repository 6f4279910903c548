from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.tuning.held import held


def test_one_process_at_a_time_is_at_a_search(tmp_path: Path) -> None:
    with (
        held(tmp_path, "a"),
        pytest.raises(UserError, match=r"another kedro tune is at this search \(a\)"),
        held(tmp_path, "a"),
    ):
        pytest.fail("two at once")


def test_other_searches_and_later_ones_may_run(tmp_path: Path) -> None:
    with held(tmp_path, "a"), held(tmp_path, "b"):
        pass
    with held(tmp_path, "a"):
        pass
