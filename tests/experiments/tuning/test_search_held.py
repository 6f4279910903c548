from __future__ import annotations

from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.tuning.search import held


def test_one_process_at_a_time_is_at_a_search(tmp_path: Path) -> None:
    with (
        held(tmp_path, ["a"]),
        pytest.raises(UserError, match=r"another kedro tune is at this search \(a\)"),
        held(tmp_path, ["a"]),
    ):
        pytest.fail("two at once")


def test_other_searches_and_later_ones_may_run(tmp_path: Path) -> None:
    with held(tmp_path, ["a"]), held(tmp_path, ["b"]):
        pass
    with held(tmp_path, ["a"]):
        pass


def test_two_searches_with_a_study_in_common_do_not_run_side_by_side(tmp_path: Path) -> None:
    with held(tmp_path, ["a", "study 1", "study 2"]):
        with pytest.raises(UserError, match="study 2"), held(tmp_path, ["b", "study 2"]):
            pytest.fail("two at once")
        with held(tmp_path, ["b"]):  # what was taken before the refusal is free again
            pass
