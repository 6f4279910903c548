from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from alpkd_pipeline.reproduce.execute import VERDICT, fresh_store

PLAN = {"cells": [{"key": "1", "params": {"seed": 0}}]}


def folders(store: Path) -> list[str]:
    return sorted(p.name for p in (store / "09_reruns").iterdir() if p.name != ".locks")


def interrupted(store: Path, plan: dict = PLAN) -> Path:
    """A store whose process was stopped in the middle."""
    with suppress(KeyboardInterrupt), fresh_store(store, "kd", plan) as fresh:
        (fresh / "half").touch()
        raise KeyboardInterrupt
    return fresh


def test_two_at_once_have_stores_of_their_own(tmp_path: Path) -> None:
    with fresh_store(tmp_path, "kd", PLAN) as one, fresh_store(tmp_path, "kd", PLAN) as other:
        assert one != other
        assert len(folders(tmp_path)) == 2


def test_an_interrupted_one_is_gone_on_with(tmp_path: Path) -> None:
    left = interrupted(tmp_path)
    with fresh_store(tmp_path, "kd", PLAN) as fresh:
        assert fresh == left
        assert (fresh / "half").exists()


def test_an_interrupted_one_of_another_plan_is_removed(tmp_path: Path) -> None:
    left = interrupted(tmp_path, {"cells": []})
    with fresh_store(tmp_path, "kd", PLAN) as fresh:
        assert not left.exists() or left == fresh
        assert not (fresh / "half").exists()
        assert folders(tmp_path) == [fresh.name]


def test_one_with_a_verdict_stays(tmp_path: Path) -> None:
    with fresh_store(tmp_path, "kd", PLAN) as kept:
        (kept / VERDICT).write_text("{}")
    with fresh_store(tmp_path, "kd", PLAN) as fresh:
        assert fresh != kept
    assert (kept / VERDICT).is_file()


def test_a_removed_store_leaves_no_lock(tmp_path: Path) -> None:
    with fresh_store(tmp_path, "kd", PLAN) as fresh:
        shutil.rmtree(fresh)
    assert folders(tmp_path) == []
    assert list((tmp_path / "09_reruns/.locks").iterdir()) == []
