from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from alpkd_pipeline.orchestration.stage import FORCE_NAMES, Stage
from alpkd_pipeline.store.manifest import seal

STAGE = Stage("student", "0123abcd" * 8, Path("/s/06/kd-2L-s0-0123abcd"), {"teacher": "t"})


def test_work_is_done_beside_the_final_folder() -> None:
    assert STAGE.work == Path("/s/06/kd-2L-s0-0123abcd.work")


def test_a_dot_in_the_name_is_no_suffix() -> None:
    stage = Stage("teacher", "k", Path("/s/bert-v1.5-s0-0123abcd"), {})
    assert stage.work.name == "bert-v1.5-s0-0123abcd.work"
    assert stage.work.parent == stage.path.parent


def test_a_stage_is_a_value() -> None:
    with pytest.raises(FrozenInstanceError):
        STAGE.key = "other"  # type: ignore[misc]


def test_stages_to_force_are_named_in_the_order_in_which_they_run() -> None:
    assert FORCE_NAMES == (
        "data_prep",
        "finetune_teacher",
        "signals",
        "distill",
        "evaluate",
        "compare",
    )


def test_a_finished_result_is_found_whatever_its_folder_is_called(tmp_path: Path) -> None:
    stage = Stage("student", "0123abcd" * 8, tmp_path / "kd-0123abcd", {})
    assert (stage.found, stage.folder) == (None, stage.path)
    best = tmp_path / "best"
    best.mkdir()
    seal(best, {"key": stage.key})
    assert (stage.found, stage.folder) == (best, best)
    assert stage.path == tmp_path / "kd-0123abcd"
